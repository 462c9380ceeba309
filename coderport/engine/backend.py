"""Which sort of backend keeps a state, by its URL: a folder, Pulumi Cloud, or else a bucket."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def folder_of(backend: str, directory: Path) -> Path | None:
    """The folder of a folder backend, a relative one below `directory`; None for any other backend."""
    if not is_folder(backend):
        return None
    return directory / Path(unquote(urlsplit(backend.removeprefix("file://")).path)).expanduser()


def is_folder(backend: str) -> bool:
    """Whether a folder of this machine keeps the state."""
    return backend.startswith("file://")


def is_cloud(backend: str) -> bool:
    """Whether Pulumi Cloud, or a server like it, keeps the state."""
    return urlsplit(backend).scheme in {"http", "https"}
