"""The version of a Pulumi CLI is asked for once for each file, and again whenever another could answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coderport.engine import kept
from coderport.engine.versions import Version


class Cli:
    """A program in a file, and how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.file, self.cache, self.asked = folder / "bin" / "pulumi", folder / "cache" / "coderport", 0
        self.file.parent.mkdir()
        self.answer: Version | None = Version(3, 250, 0)
        self.write(b"\x7fELF of one version")

    def write(self, content: bytes) -> None:
        self.file.write_bytes(content)

    def version(self, path: Path | None = None) -> Version | None:
        def ask() -> Version | None:
            self.asked += 1
            return self.answer

        return kept.version(path or self.file, self.cache, ask)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def test_the_same_file_is_asked_once(cli: Cli) -> None:
    assert [cli.version(), cli.version(), cli.version()] == [Version(3, 250, 0)] * 3
    assert cli.asked == 1


@pytest.mark.parametrize("how", ["written over", "exchanged", "touched"])
def test_another_file_in_its_place_is_asked(cli: Cli, how: str, tmp_path: Path) -> None:
    before = cli.file.stat()
    cli.version()
    cli.answer = Version(3, 260, 1)
    if how == "written over":
        cli.write(b"\x7fELF of another version")
    elif how == "exchanged":  # of the same size and time, as a package keeps them
        (tmp_path / "new").write_bytes(b"\x7fELF 0f one version")
        os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "new").replace(cli.file)
    else:
        os.utime(cli.file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert cli.version() == Version(3, 260, 1)
    assert cli.version() == Version(3, 260, 1)
    assert cli.asked == 2


def test_a_link_is_asked_again_where_it_leads_to_another_file(cli: Cli, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pulumi").write_bytes(b"\x7fELF")
    link = tmp_path / "pulumi"
    link.symlink_to(tmp_path / "one" / "pulumi")
    cli.version(link)
    cli.version(link)
    assert cli.asked == 1
    link.unlink()
    link.symlink_to(tmp_path / "two" / "pulumi")
    cli.version(link)
    assert cli.asked == 2


def test_what_may_choose_another_cli_each_time_is_asked_every_time(cli: Cli, tmp_path: Path) -> None:
    cli.write(b'#!/bin/sh\nexec asdf exec pulumi "$@"\n')
    cli.version()
    cli.version()
    assert cli.asked == 2
    (tmp_path / "mise").write_bytes(b"\x7fELF, one program under the names of many")
    (tmp_path / "pulumi").symlink_to(tmp_path / "mise")
    cli.version(tmp_path / "pulumi")
    cli.version(tmp_path / "pulumi")
    assert cli.asked == 4


def test_no_answer_is_not_kept(cli: Cli) -> None:
    cli.answer = None
    assert cli.version() is None
    cli.answer = Version(3, 250, 0)
    assert cli.version() == Version(3, 250, 0)


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"PATH": 1}', '{"PATH": {"file": 1}}'])
def test_a_file_that_is_not_what_is_kept_is_written_anew(cli: Cli, content: str) -> None:
    cli.cache.mkdir(parents=True)
    (cli.cache / "versions.json").write_text(content.replace("PATH", str(cli.file)))
    assert cli.version() == cli.version() == Version(3, 250, 0)
    assert cli.asked == 1


def test_a_cache_that_cannot_be_written_costs_a_question_and_no_more(cli: Cli) -> None:
    cli.cache.parent.mkdir()
    cli.cache.write_text("a file where the folder should be")
    assert cli.version() == cli.version() == Version(3, 250, 0)
    assert cli.asked == 2


def test_a_program_that_is_gone_is_asked_and_says_so_itself(cli: Cli) -> None:
    cli.version()
    cli.file.unlink()
    cli.answer = None
    assert cli.version() is None


def test_the_oldest_of_many_answers_goes(cli: Cli, tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "pulumi").write_bytes(b"\x7fELF")
        cli.version(tmp_path / str(number) / "pulumi")
    cli.asked = 0
    cli.version(tmp_path / "24" / "pulumi")
    assert cli.asked == 0
    cli.version(tmp_path / "0" / "pulumi")
    assert cli.asked == 1
