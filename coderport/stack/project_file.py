"""The project's `Pulumi.yaml`: the name that it gives, and a copy of it elsewhere."""

from __future__ import annotations

from pathlib import Path

from coderport.project import brought, description_of, project_folder

ROOT = brought("")
"""Where the files lie that coderport brings: the checkout, or a folder of the installed package."""


def project_copy(directory: Path) -> Path:
    """A folder with the project's `Pulumi.yaml` for a stack that must not touch the checkout (demo, tests).

    The provider's path is made absolute; the program stays the one that coderport brings.
    """
    directory.mkdir(parents=True, exist_ok=True)
    text = brought("Pulumi.yaml").read_text(encoding="utf-8")
    (directory / "Pulumi.yaml").write_text(
        text.replace("path: plugins/port", f"path: {brought('plugins/port')}"), encoding="utf-8"
    )
    return directory


def project_name(directory: Path | None = None) -> str:
    """The name that the project's `Pulumi.yaml` gives it; it is the first half of what entities name."""
    return str(description_of(directory or project_folder())["name"])
