"""The files of a project in a folder of the user's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coderport import __version__
from coderport.project import CHECKOUT, brought

PLUGIN = "plugins/port/pulumi-resource-port"
WORKFLOW = ".github/workflows/coderport.yml"
_WORKFLOW_TEXT = Path(__file__).parent / "templates" / "coderport.yml"
_IGNORED = ".venv/\n.coderport/\n__pycache__/\n"
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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.text, encoding="utf-8")
        if self.executable:
            self.path.chmod(0o755)


def project_name_for(folder: Path) -> str:
    """What a project in the folder is called where nobody says: like the folder, in the letters that Pulumi takes."""
    return _NO_NAME.sub("-", folder.name).strip("-")[:100] or "coderport"


def files_of(folder: Path, name: str) -> Iterator[ProjectFile]:
    """What makes the folder a project of that name."""
    text = brought("Pulumi.yaml").read_text(encoding="utf-8")
    yield ProjectFile(folder / "Pulumi.yaml", re.sub(r"^name: .*$", f"name: {name}", text, count=1, flags=re.MULTILINE))
    yield ProjectFile(folder / "__main__.py", brought("__main__.py").read_text(encoding="utf-8"))
    yield ProjectFile(folder / PLUGIN, brought(PLUGIN).read_text(encoding="utf-8"), executable=True)
    yield ProjectFile(folder / "requirements.txt", f"{requirement()}\n")
    yield ProjectFile(folder / ".gitignore", _IGNORED)


def workflow_of(folder: Path, stack: str) -> ProjectFile:
    """The workflow for GitHub, at the top of the repository that the folder is in, or in the folder."""
    top = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)
    inside = os.path.relpath(folder, top)
    text = _WORKFLOW_TEXT.read_text(encoding="utf-8").replace("@STACK@", stack).replace("@FOLDER@", inside)
    return ProjectFile(top / WORKFLOW, text)


def requirement() -> str:
    """What pip installs: this very version. No index has a checkout, so that is named by its place."""
    return f"coderport @ {CHECKOUT.as_uri()}" if CHECKOUT is not None else f"coderport=={__version__}"
