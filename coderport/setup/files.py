"""The files of a project in a folder of the user's own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from coderport import __version__
from coderport.project import CHECKOUT, brought
from coderport.setup.disk import write_whole
from coderport.setup.lines import Amended, gitignore, requirements
from coderport.setup.repository import default_branch, top_of
from coderport.setup.values import ALL

PLUGIN = "plugins/port/pulumi-resource-port"
TEMPLATE = "templates/coderport"
WORKFLOW = ".github/workflows/coderport.yml"
_WORKFLOW_TEXT = Path(__file__).parent / "templates" / "coderport.yml"
_PATTERN = re.compile(r"[*?+\[!]")
"""What makes a branch's name a pattern for GitHub, unless a backslash stands before it."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class ProjectFile:
    """One file of a project: where it lies, and what is to be in it."""

    path: Path
    text: str
    executable: bool = False

    @property
    def differs(self) -> bool:
        """Whether there is a file at its place already that says something else."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace") != self.text
        except FileNotFoundError:
            return False

    @property
    def is_there(self) -> bool:
        """Whether it is as it should be."""
        return self.path.exists() and not self.differs

    def write(self) -> None:
        """Writes it, with the folders that lead to it."""
        write_whole(self.path, self.text.encode(), executable=self.executable)


def project_name_for(folder: Path) -> str:
    """What a project in the folder is called where nobody says: like the folder, in the letters that Pulumi takes."""
    return _NO_NAME.sub("-", folder.name).strip("-")[:100] or "coderport"


def files_of(folder: Path, name: str) -> Iterator[ProjectFile]:
    """What makes the folder a project of that name, but for what it shares with its repository."""
    there = folder / "Pulumi.yaml"
    yield ProjectFile(there, _description(name, there.read_text(encoding="utf-8") if there.is_file() else ""))
    yield ProjectFile(folder / "__main__.py", brought("__main__.py").read_text(encoding="utf-8"))
    yield ProjectFile(folder / PLUGIN, brought(PLUGIN).read_text(encoding="utf-8"), executable=True)


def shared_files_of(folder: Path) -> Iterator[Amended]:
    """What a repository may have already, with the lines that the project needs there."""
    yield requirements(folder / "requirements.txt", requirement())
    yield gitignore(folder / ".gitignore")


def template_files(folder: Path) -> Iterator[ProjectFile]:
    """The Pulumi template: what makes a project, with gaps that `pulumi new` fills, and the values that it asks for.

    It is the same whatever the folder has. `pulumi new` puts name and description into the gaps, and takes the block
    `template` out. The version that is installed is not known to it, so coderport is not pinned.
    """
    empty = folder / "none"
    for file in files_of(empty, "${PROJECT}"):
        text = _template(file.text) if file.path.name == "Pulumi.yaml" else file.text
        yield replace(file, path=folder / file.path.relative_to(empty), text=text)
    yield ProjectFile(folder / "requirements.txt", "coderport\n")
    yield ProjectFile(folder / ".gitignore", gitignore(empty).text)


def _template(description: str) -> str:
    """The `Pulumi.yaml` as that of a template. The keys have their namespace: alone they would be the project's."""
    read = yaml.safe_load(description)
    config = {
        f"coderport:{wanted.key}": {
            "description": wanted.for_pulumi or wanted.question,
            **({"secret": True} if wanted.secret else {}),
            **({"default": wanted.default} if wanted.default else {}),
        }
        for wanted in ALL
    }
    block = {"template": {"description": read["description"], "config": config}}
    text = re.sub(r"^description:.*$", "description: ${DESCRIPTION}", description, count=1, flags=re.MULTILINE)
    return text + str(yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=120))


def named(text: str, name: str) -> str:
    """The text of a `Pulumi.yaml` with another name of the project."""
    written = name if yaml.safe_load(name) == name else json.dumps(name)  # 2026 alone would be a number
    return re.sub(r"^name:.*$", f"name: {written}", text, count=1, flags=re.MULTILINE)


def _description(name: str, there: str) -> str:
    """The `Pulumi.yaml` that coderport brings, with what one that is there has beside it (such as `backend:`)."""
    text = named(brought("Pulumi.yaml").read_text(encoding="utf-8"), name)
    ours = {key for key, _ in _blocks(text)}
    return text + "".join(f"{block.rstrip()}\n" for key, block in _blocks(there) if key not in ours)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """The members of a YAML document by key, each as it is written."""
    starts = [*re.finditer(r"^([A-Za-z][\w-]*):", text, re.MULTILINE)]
    ends = [*(each.start() for each in starts[1:]), len(text)]
    yield from ((found[1], text[found.start() : end]) for found, end in zip(starts, ends, strict=False))


def workflow_of(folder: Path, stack: str) -> ProjectFile:
    """The workflow for GitHub, at the top of the repository that the folder is in, or in the folder."""
    top = top_of(folder)
    text = _WORKFLOW_TEXT.read_text(encoding="utf-8")
    for gap, value in {
        "@STACK@": stack,
        "@NAME@": stack.rpartition("/")[2],
        "@FOLDER@": _quoted(os.path.relpath(folder, top)),
        "@BRANCH@": _quoted(_PATTERN.sub(r"\\\g<0>", default_branch(top))),
    }.items():
        text = text.replace(gap, value)
    return ProjectFile(top / WORKFLOW, text)


def _quoted(text: str) -> str:
    """The text as it stands between double quotes in YAML."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def requirement() -> str:
    """What pip installs: this very version. No index has a checkout, so that is named by its place."""
    return f"coderport @ {CHECKOUT.as_uri()}" if CHECKOUT is not None else f"coderport=={__version__}"
