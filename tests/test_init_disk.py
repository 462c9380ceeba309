"""`init` where a file cannot be read or written, and at a question that gets no answer: one sentence, no traceback."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console

from coderport import project as in_use
from coderport.errors import SettingsError
from coderport.setup import beginning as setting_up
from coderport.setup.beginning import Beginning, Choices
from coderport.setup.disk import NotWritten, Unfinished, write_whole
from coderport.terminal import ending, remedy
from coderport.terminal.person import Person


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What writes a project into the folder, with a workflow, as `init` does."""
    monkeypatch.setattr(in_use, "_named", [])
    monkeypatch.setattr(remedy, "_common", [])
    monkeypatch.setattr(ending, "_state", ending._State())

    def start() -> None:
        beginning = Beginning(Choices({}, name="ours", workflow=True, yes=True), Console(file=StringIO(), width=400))
        with beginning.in_order():
            beginning.project(tmp_path)
            beginning.workflow(tmp_path)

    return start


@pytest.mark.parametrize(
    ("name", "folder", "said", "before"),
    [
        ("Pulumi.yaml", True, "cannot be read: Is a directory", None),
        ("__main__.py", True, "cannot be read: Is a directory", "Pulumi.yaml"),
        ("plugins", False, "is a file, and has to be a folder", "__main__.py"),
        ("plugins/port/pulumi-resource-port", True, "cannot be read: Is a directory", "__main__.py"),
        ("requirements.txt", True, "cannot be read: Is a directory", "pulumi-resource-port"),
        (".gitignore", True, "cannot be read: Is a directory", "pulumi-resource-port"),
        (".github", False, "is a file, and has to be a folder", ".gitignore"),
    ],
)
def test_what_is_in_the_way_is_named_with_what_was_written_before(
    tmp_path: Path, started: Callable[[], None], name: str, folder: bool, said: str, before: str | None
) -> None:
    in_the_way = tmp_path / name
    in_the_way.mkdir(parents=True) if folder else in_the_way.write_text("theirs")
    with pytest.raises(Unfinished) as raised:
        started()
    text = str(raised.value)
    assert raised.value.exit_code == 1 and f"{in_the_way} {said}" in text and "Move that f" in text
    assert "Nothing was written." in text if before is None else f"{before}" in text.split("Written before that: ")[1]
    in_the_way.rmdir() if folder else in_the_way.unlink()
    started()  # as the sentence says: run again, and it is whole
    assert (tmp_path / ".github/workflows/coderport.yml").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_a_file_that_could_not_be_written_whole_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Callable[[], None], number: int
) -> None:
    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(number, os.strerror(number))  # as write() does: without the name of the file

    (tmp_path / "requirements.txt").write_text("ours==1\n")
    write = Path.write_bytes
    monkeypatch.setattr(
        Path, "write_bytes", lambda path, content: (half if "requirements" in path.name else write)(path, content)
    )
    with pytest.raises(Unfinished) as raised:
        started()
    assert f"{tmp_path / 'requirements.txt'} cannot be written: {os.strerror(number)}." in str(raised.value)
    assert f"Written before that: {tmp_path / 'Pulumi.yaml'}, " in str(raised.value)
    assert (tmp_path / "requirements.txt").read_text() == "ours==1\n"
    there = sorted(each.name for each in tmp_path.iterdir())
    assert there == ["Pulumi.yaml", "__main__.py", "plugins", "requirements.txt"], "half a file was left"


def test_a_link_stays_one_and_a_file_keeps_its_rights(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere"
    file.write_text("before")
    file.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    write_whole(link, b"after")
    assert link.is_symlink() and file.read_text() == "after" and file.stat().st_mode & 0o777 == 0o640
    with pytest.raises(NotWritten) as raised:
        write_whole(tmp_path, b"")
    assert raised.value.filename == str(tmp_path)


@pytest.mark.parametrize("secret", [False, True])
def test_ctrl_d_at_a_question_ends_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Callable[[], None], secret: bool
) -> None:
    def no_answer(*_: object, **__: object) -> str:
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm" if not secret else "prompt", no_answer)
    person = Person(at_all=True)
    with pytest.raises(ending.Interrupted) as before:
        person.text("Which?", secret=True) if secret else person.may("So?", otherwise=False)
    assert before.value.exit_code == 130 and str(before.value) == "Ended by Ctrl-D. Nothing was written to Port."
    assert ending.asked() == ending.CTRL_D, "the process ends with its code"
    (tmp_path / ".github").write_text("in the way, so that init ends before it is whole")
    with pytest.raises(Unfinished):
        started()
    with pytest.raises(ending.Interrupted) as after:
        person.text("Which?", secret=True) if secret else person.may("So?", otherwise=False)
    assert f"Written before that: {tmp_path / 'Pulumi.yaml'}, " in str(after.value)


def test_whatever_fails_later_says_what_was_written_before(tmp_path: Path, started: Callable[[], None]) -> None:
    beginning = Beginning(Choices({}, name="ours", yes=True), Console(file=StringIO(), width=400))
    with pytest.raises(SettingsError) as raised, beginning.in_order():
        beginning.project(tmp_path)
        raise SettingsError("The backend says no.")
    assert str(raised.value).startswith(f"The backend says no.\nWritten before that: {tmp_path / 'Pulumi.yaml'}, ")


@pytest.mark.parametrize(
    ("stack", "backend", "said"),
    [
        ("organization/other/dev", "", "the project is ours, and not other"),
        ("acme/dev", "file:///srv/state", "whose stacks have no organization"),
        ("acme/dev", "https://api.pulumi.com", ""),
        ("organization/ours/dev", "s3://states", ""),
    ],
)
def test_a_stack_that_can_be_none_of_the_project_is_told_before_anything_is_written(
    tmp_path: Path, started: Callable[[], None], monkeypatch: pytest.MonkeyPatch, stack: str, backend: str, said: str
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend)
    beginning = Beginning(Choices({}, stack=stack, name="ours", yes=True), Console(file=StringIO(), width=400))
    with beginning.in_order():
        if not said:
            beginning.project(tmp_path)
            return
        with pytest.raises(SettingsError, match=said) as raised:
            beginning.project(tmp_path)
    assert "Nothing was written." in str(raised.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("salt", "told"), [("encryptionsalt: v1:abc\n", True), ("", False)])
def test_a_passphrase_is_asked_for_in_the_shell_where_the_stack_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, salt: str, told: bool
) -> None:
    class Opened:
        def __init__(self, name: str, *_: object, directory: Path) -> None:
            self.name, self.directory = name, directory

    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_BACKEND_URL"):
        monkeypatch.setenv(name, "")  # so that it is as it was afterwards
        monkeypatch.delenv(name)
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    monkeypatch.setattr(setting_up, "Stack", Opened)
    monkeypatch.setattr(setting_up, "_selected", lambda *_: "")
    monkeypatch.setattr(typer, "prompt", lambda *_, value_proc, **__: value_proc(" their phrase "))
    beginning = Beginning(Choices({}, stack="dev"), Console(file=StringIO()))
    beginning.person = Person(at_all=True)
    stack = beginning.opened(None, tmp_path)  # type: ignore[arg-type]
    (tmp_path / "Pulumi.yaml").write_text("name: coderport\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(f"{salt}config: {{}}\n")
    needs = beginning.shell_needs(stack)
    assert ("export PULUMI_CONFIG_PASSPHRASE" in needs) is told and "their phrase" not in needs
    other = Beginning(Choices({}, stack="dev"), Console(file=StringIO()))
    assert other.shell_needs(stack) == "", "nobody was asked"
