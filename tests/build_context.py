"""What `docker build` is given, and what the Dockerfile does with it, as far as can be told without docker."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Stage:
    """One `FROM` of a Dockerfile with what follows it: each instruction with its text."""

    image: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        return [text for each, text in self.instructions if each == kind]


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in order."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        kind, _, rest = line.partition(" ")
        if kind == "FROM":
            image, _, name = rest.partition(" AS ")
            found.append(Stage(image.strip(), name.strip()))
        elif found:
            found[-1].instructions.append((kind, rest.strip()))
        else:
            raise AssertionError(f"before any FROM: {line}")
    return found


def copied(instruction: str) -> tuple[str | None, list[str]]:
    """The stage that a COPY takes from (None: the context), and its sources."""
    words = shlex.split(instruction)
    options = [each for each in words if each.startswith("--")]
    stage = next((each.removeprefix("--from=") for each in options if each.startswith("--from=")), None)
    return stage, [each for each in words if each not in options][:-1]


def context(root: Path = ROOT) -> Iterator[Path]:
    """The files that .dockerignore lets in, below the root. Its forms here: `*`, `!path`, `**/name`."""
    rules = [each for each in (root / ".dockerignore").read_text().splitlines() if each and not each.startswith("#")]
    assert rules[0] == "*", "everything stays out that is not named"
    named = [each.removeprefix("!") for each in rules if each.startswith("!")]
    left = [each.removeprefix("**/") for each in rules[1:] if not each.startswith("!")]
    assert all(each.startswith("**/") for each in rules[1:] if not each.startswith("!"))
    for pattern in named:
        for found in sorted(root.glob(pattern)):
            for file in sorted(found.rglob("*")) if found.is_dir() else [found]:
                parts = file.relative_to(root).parts
                if file.is_file() and not any(fnmatch(part, each) for part in parts for each in left):
                    yield file.relative_to(root)


def laid_out(folder: Path) -> Path:
    """The context as it lies in the image."""
    for file in context():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    return folder
