"""Makes the site of the same files that GitHub shows: a hook of mkdocs (`mkdocs.yml` names it).

GitHub's Markdown and mkdocs' differ in two things that count here. A link of GitHub's may lead to any file of the
repository, one of mkdocs to a page only. And what belongs to a list item is indented by the width of its mark on
GitHub, and by four for mkdocs.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

ABOVE = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages of the repository's root, and what they are called on the site."""

_LINK = re.compile(r"(?P<head>\]\()(?P<target>[^)\s#:]+)(?P<rest>#[^)\s]*)?\)")
_MARK = re.compile(r"(?:[-*]|\d+\.) +")


def page_of(path: str) -> str | None:
    """The site's page of a file of the repository; None for one that is no page."""
    if path in ABOVE:
        return ABOVE[path]
    folder, name = posixpath.split(path)
    return name if folder == "docs" and (ROOT / path).is_file() else None


def with_links(text: str, folder: str, repository: str) -> str:
    """The page with its links as the site has them; `folder` is where the file lies in the repository.

    What is no page is linked at `repository`. What is not there stays as it is, and ends a strict build.
    """

    def led(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found["target"]))
        page = page_of(path)
        if page is None and (ROOT / path).exists():
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            page = f"{repository}/{kind}/main/{path}"
        return f"{found['head']}{page or found['target']}{found['rest'] or ''})"

    return _LINK.sub(led, text)


def with_wide_lists(text: str) -> str:
    """The text with what belongs to list items indented by four for each level, and a blank line where a list begins.

    So it is as well before an item whose predecessor has blank lines: mkdocs would take it for text of that one.
    """
    lines: list[str] = []
    levels: list[int] = []
    fenced = loose = False
    for line in text.splitlines():
        rest = line.lstrip(" ")
        indent = len(line) - len(rest)
        if not rest:
            lines.append("")
            loose = True
            continue
        fence = rest.startswith("```")
        while levels and indent < levels[-1] and not fenced:
            levels.pop()
        beyond = indent - (levels[-1] if levels else 0)
        mark = None if fenced or fence or beyond >= 4 else _MARK.match(rest)
        if mark and lines and lines[-1] and (loose or not _in_list(lines[-1])):
            lines.append("")
        lines.append(" " * max(0, 4 * len(levels) + beyond) + rest)
        if mark:
            levels.append(indent + len(mark[0]))
            loose = False
        elif not levels:
            loose = False
        fenced ^= fence
    return "\n".join(lines) + "\n"


def _in_list(line: str) -> bool:
    """Whether a line is an item, or goes on with one."""
    return line.startswith(" ") or _MARK.match(line) is not None


def repository() -> str:
    """Where the repository is: in CI the one that is built."""
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    return f"{server}/{os.environ.get('GITHUB_REPOSITORY', 'acme/coderport')}"


def on_config(config: Any) -> Any:
    """Names the repository, so that each page links to its source."""
    config.repo_url = repository()
    config.repo_name = config.repo_url.rpartition("/")[2]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that lie above docs/."""
    from mkdocs.structure.files import File  # of requirements-site.txt alone

    for source, page in ABOVE.items():
        text = with_links((ROOT / source).read_text(encoding="utf-8"), "", config.repo_url)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """A page as mkdocs has to read it."""
    if page.file.src_uri not in ABOVE.values():
        markdown = with_links(markdown, "docs", config.repo_url)
    return with_wide_lists(markdown)
