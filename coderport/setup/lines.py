"""Files that a project shares with the repository it is in: lines that are lacking are added, all others stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from coderport.setup.disk import write_whole

IGNORED = (".venv/", ".coderport/", "__pycache__/")
"""The environment, what coderport keeps beside the project (a history with people's names among it), and leftovers."""

_OURS = re.compile(r"\s*coderport\s*(\[[^\]]*\]\s*)?(?=[=<>!~@;#]|\s-|$)", re.IGNORECASE)
_EDITABLE = re.compile(r"(?:-e|--editable)[ =]*")
_OF_ANOTHER = re.compile(r"[a-z0-9][\w.-]*\s*(\[[^\]]*\]\s*)?@(\s|\S+://)", re.IGNORECASE)
_LAST_PART = re.compile(r"coderport(\.git)?(\[[^\]]*\])?|coderport-\d.*\.(whl|tar\.gz|zip)", re.IGNORECASE)
_REST = re.compile(r";|\s#|\s--")
_INCLUDED = re.compile(r"\s*(?:-r|--requirement)[ =]*(\S+)")


@dataclass(frozen=True)
class Amended:
    """A file with what it lacked: its whole text, the lines that are new, and the one that they take the place of.

    `advice` says what a person has to do instead, where nothing can be added.
    """

    path: Path
    text: str
    added: tuple[str, ...] = ()
    replaced: str = ""
    advice: str = ""

    def write(self) -> None:
        """Writes it, with the folders that lead to it."""
        write_whole(self.path, self.text.encode("utf-8", "surrogateescape"))


def gitignore(path: Path) -> Amended:
    """The file that keeps out of git what is no part of a project."""
    text = _text(path)
    there = {each.strip().strip("/") for each in text.splitlines()}
    return _with(path, text, tuple(each for each in IGNORED if each.strip("/") not in there))


def requirements(path: Path, requirement: str) -> Amended:
    """What pip installs, with coderport as `requirement` names it. A file that is included with `-r` counts as well."""
    text = _text(path)
    logical = [*_logical_lines(text)]
    found = next((each for each in logical if _is_ours(each)), None)
    if found is None:
        if any(_names_ours(path.parent / name) for name in _included(logical)):
            return Amended(path, text)
        if "--hash=" in text:
            advice = f"it has hashes, so pip wants them of each line. Add {requirement} with its own."
            return Amended(path, text, advice=advice)
        return _with(path, text, (requirement,))
    if _plain(found) == _plain(requirement):
        return Amended(path, text)
    end = re.search(r"[\r\n]*\Z", found)
    line = requirement + (end[0] if end else "")
    return Amended(
        path, text.replace(found, line, 1), (requirement,), replaced=" ".join(re.sub(r"\\\r?\n", " ", found).split())
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except FileNotFoundError:
        return ""


def _with(path: Path, text: str, lines: tuple[str, ...]) -> Amended:
    """The text with the lines at its end, each ended as its own are."""
    if not lines:
        return Amended(path, text)
    ending = "\r\n" if "\r\n" in text else "\n"
    before = text if not text or text.endswith("\n") else text + ending
    return Amended(path, before + "".join(each + ending for each in lines), lines)


def _logical_lines(text: str) -> Iterator[str]:
    """The lines of requirements with their ends; a backslash at an end goes on with the next line."""
    whole = ""
    for line in text.splitlines(keepends=True):
        whole += line
        if not line.rstrip("\r\n").endswith("\\"):
            yield whole
            whole = ""
    if whole:
        yield whole


def _included(logical: list[str]) -> Iterator[str]:
    return (found[1] for each in logical if (found := _INCLUDED.match(each)))


def _names_ours(path: Path, depth: int = 5) -> bool:
    """Whether the file, or one that it includes, names coderport."""
    logical = [*_logical_lines(_text(path))] if path.is_file() else []
    if any(map(_is_ours, logical)):
        return True
    return depth > 0 and any(_names_ours(path.parent / name, depth - 1) for name in _included(logical))


def _is_ours(line: str) -> bool:
    """Whether the requirement is coderport: by its name, or by the URL, path or archive that it is installed from."""
    place = _EDITABLE.sub("", _REST.split(line, maxsplit=1)[0].strip(), count=1)
    if _OURS.match(line) or _OF_ANOTHER.match(place):
        return _OURS.match(line) is not None
    path, _, fragment = place.partition("#")
    if egg := parse_qs(fragment).get("egg"):
        return re.split(r"[\[<>=!~]", egg[0])[0].strip().lower() == "coderport"
    path = "/".join([path.partition("?")[0], *parse_qs(fragment).get("subdirectory", [])])
    _, is_url, rest = path.partition("://")
    if is_url:  # a revision stands behind an @, as the user may before the host
        rest = rest.partition("/")[2].partition("@")[0]
    last = re.split(r"[/\\]", (rest if is_url else path).rstrip("/\\"))[-1]
    return not place.startswith(("-", "#")) and _LAST_PART.fullmatch(last) is not None


def _plain(requirement: str) -> str:
    """The requirement without conditions, options, comments and spaces."""
    return "".join(_REST.split(requirement, maxsplit=1)[0].replace("\\", "").split()).lower()
