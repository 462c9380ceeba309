"""The site is made of the files that GitHub shows, all of them, and its links lead where those lead."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import site_pages

ROOT = site_pages.ROOT


def navigation() -> list[str]:
    """The pages that the navigation has, without the parts of mkdocs.yml that only mkdocs can load."""
    text = (ROOT / "mkdocs.yml").read_text()
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, str):
            found.append(node)
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(each)

    walk(yaml.safe_load(text[text.index("\nnav:") :])["nav"])
    return found


def test_every_page_has_one_place_in_the_navigation() -> None:
    pages = [each.name for each in (ROOT / "docs").glob("*.md")] + list(site_pages.ABOVE.values())
    assert sorted(navigation()) == sorted(pages)


def test_a_wrong_link_a_wrong_anchor_and_a_page_without_a_place_end_the_build() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    assert "\nstrict: true\n" in text
    rules = yaml.safe_load(re.search(r"^validation:\n(?: .*\n)+", text, re.MULTILINE)[0])["validation"]  # type: ignore[index]
    assert {rules["links"][key] for key in ("not_found", "anchors", "unrecognized_links")} == {"warn"}
    assert rules["nav"]["omitted_files"] == rules["nav"]["not_found"] == "warn"


@pytest.mark.parametrize(
    ("link", "folder", "made"),
    [
        ("[a](ci.md#cron)", "docs", "[a](ci.md#cron)"),
        ("[a](../README.md#commands)", "docs", "[a](index.md#commands)"),
        ("[a](docs/ci.md)", "", "[a](ci.md)"),
        ("![a](docs/curves-time.svg)", "", "![a](curves-time.svg)"),
        ("[a](../scripts/setup)", "docs", "[a](https://h/r/blob/main/scripts/setup)"),
        ("[a](../deploy)", "docs", "[a](https://h/r/tree/main/deploy)"),
        ("[a](https://x.example/README.md)", "docs", "[a](https://x.example/README.md)"),
        ("[a](#here)", "docs", "[a](#here)"),
        ("[a](../nowhere.py)", "docs", "[a](../nowhere.py)"),
    ],
)
def test_a_link_leads_on_the_site_where_it_leads_on_github(link: str, folder: str, made: str) -> None:
    assert site_pages.with_links(link, folder, "https://h/r") == made


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("1. one\n\n       code\n\n   more\n2. two\n", "1. one\n\n        code\n\n    more\n\n2. two\n"),
        ("- a\n  b\n- c\n", "- a\n    b\n- c\n"),
        ("- a\n  - b\n    c\nd\n", "- a\n    - b\n        c\nd\n"),
        ("text:\n- a\n", "text:\n\n- a\n"),
        ("text\n\n    - code\n      code\n", "text\n\n    - code\n      code\n"),
        ("```\n- a\n  b\n```\n", "```\n- a\n  b\n```\n"),
    ],
    ids=["code in an item", "going on", "nested", "beginning", "code", "fenced"],
)
def test_lists_are_indented_as_mkdocs_reads_them(written: str, made: str) -> None:
    assert site_pages.with_wide_lists(written) == made


def test_the_site_has_packages_of_its_own_in_the_versions_that_a_run_has() -> None:
    pins = [
        dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements-site.txt", "requirements.txt")
    ]
    assert "mkdocs-material" in pins[0] and "mkdocs" not in pins[1]
    assert all(pins[1].get(name, version) == version for name, version in pins[0].items())
