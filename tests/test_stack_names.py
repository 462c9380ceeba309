"""What a stack may be called and what its file may hold: known before the Pulumi CLI is asked, exit code 2."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path

import pulumi
import pytest
from settings_samples import SERVERS

from coderport.engine import CliInfo
from coderport.engine.refusals import known_refusal
from coderport.errors import SettingsError
from coderport.planning.memory import Memory
from coderport.planning.past import Past
from coderport.program import main
from coderport.project import description_of
from coderport.report.account import Account
from coderport.settings import Settings
from coderport.stack.names import stack_named
from coderport.stack.project_file import project_copy
from coderport.stack.stack import Stack
from coderport.stack.stack_file import check_stack_file, stack_file

NONE = CliInfo(Path("/nonexistent/pulumi"), "3.250.0", "nowhere")


def opened(folder: Path, name: str, text: str | bytes | None = None) -> Stack:
    """A stack whose CLI cannot be asked, with that text as its file."""
    directory = project_copy(folder)
    if text is not None:
        stack_file(directory, name).write_bytes(text.encode() if isinstance(text, str) else text)
    return Stack(name, NONE, directory=directory)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "letters"),
        (".", "a letter or a digit"),
        ("..", "a letter or a digit"),
        ("acme/..", "a letter or a digit"),
        ("--x", "may not begin with a hyphen"),
        ("-", "may not begin with a hyphen"),
        ("=--x", "letters"),
        ("a b", "letters"),
        ("a/b/c/d", "at most an organization and a project"),
        ("acme//x", "letters"),
        ("x" * 120, "at most 100 characters"),
        ("organization/other/x", "the project is coderport, and not other. The stack alone is enough: --stack x."),
        ("acme/other/x", "the project is coderport"),
        ("x\n", "letters"),
    ],
)
def test_a_name_that_is_none_is_told_before_anything_is_asked(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(SettingsError) as raised:
        opened(tmp_path, name)
    text = str(raised.value)
    assert raised.value.exit_code == 2 and why in text, text
    assert "is no name of a stack" in text or "The name of a stack" in text
    assert text.endswith("pulumi -- stack ls") and not [*tmp_path.glob("Pulumi.*.yaml")]


@pytest.mark.parametrize(
    "name", ["dev", "acme/dev", "acme/coderport/dev", "organization/coderport/dev", "2026", "a.b-c_d"]
)
def test_a_name_of_this_project_is_one(tmp_path: Path, name: str) -> None:
    assert opened(tmp_path, name).name == name == stack_named(name, "coderport")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello", "line 1, column 1: keys have to stand here, such as `config:`, and a text does"),
        ("- a\n", "line 1, column 1: keys have to stand here, such as `config:`, and a list does"),
        ("config: [1]\n", "line 1: below `config:` there have to be keys with values"),
        ("\nconfig: yes\n", "line 2: below `config:` there have to be keys with values"),
        ("config:\n  a: b: c\n", "line 2, column 7: mapping values are not allowed here"),
        ("config:\n\ta: 1\n", "line 2, column 1: found character '\\t'"),
        ("config:\n  a: 1\n  a: 2\n", "line 3, column 3: the key a stands in line 2 already"),
        ("config: {}\nconfig: {}\n", "line 2, column 1: the key config stands in line 1 already"),
        ('config:\n  a: "b\n', "line 3, column 1: found unexpected end of stream"),
        (b"\xff\xfe\x00binary", "it is no text in UTF-8 (byte 1)"),
        (b"config:\n  a: \x00\n", "is no YAML"),
    ],
)
def test_a_file_that_pulumi_does_not_read_is_told_with_its_line(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        opened(tmp_path, "acme/dev", text)
    assert told in str(raised.value) and str(tmp_path / "Pulumi.dev.yaml") in str(raised.value), str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "config:\n", "config: {}\n", "config: ~\n", "config:\n  a: !foo 1\n  b: =\n  c: 2026-99-99\n",
     "? [a]\n: b\n", "encryptionsalt: v1:x\nconfig:\n  coderport:templates: [a]\n", "x: &a\n  y: *a\n"],
)  # fmt: skip
def test_a_file_that_pulumi_reads_is_well(tmp_path: Path, text: str) -> None:
    assert opened(tmp_path, "dev", text).name == "dev"


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").mkdir()
    with pytest.raises(SettingsError, match="is a folder, and has to be the file of the stack"):
        check_stack_file(tmp_path / "Pulumi.dev.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("runtime: python\n", "names no project: it needs a line such as `name: coderport`"),
        ("name: [\n", "line 2, column 1: "),
        ("name: x\nname: y\n", "line 2, column 1: the key name stands in line 1 already"),
        ("hello", "line 1, column 1: "),
        ("name: x\nat: 2026-99-99\n", "is no YAML"),
    ],
)
def test_what_is_wrong_about_the_project_s_file_is_told_with_file_and_line(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    with pytest.raises(SettingsError) as raised:
        description_of(tmp_path)
    assert told in str(raised.value) and str(tmp_path / "Pulumi.yaml") in str(raised.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("error: organization name must be 'organization'", "whose stacks have no organization"),
        ("error: malformed state value", "The line `encryptionsalt` in Pulumi.dev.yaml"),
        ("error: could not create secrets manager for new stack: malformed state value", "The line `encryptionsalt`"),
    ],
)
def test_what_only_the_backend_knows_is_told_in_our_words(said: str, told: str) -> None:
    error = known_refusal("acme/dev", f"stderr: {said}")
    assert error is not None and error.exit_code == 2 and told in str(error)


@pytest.mark.parametrize(("organization", "called"), [("acme", "acme/coderport/dev"), ("organization", "dev")])
def test_a_run_knows_its_stack_by_the_name_that_every_remedy_can_give_to_pulumi(
    monkeypatch: pytest.MonkeyPatch, organization: str, called: str
) -> None:
    """In Pulumi Cloud the bare name is that of the default organization, which may be another."""
    for name, what in (("organization", organization), ("project", "coderport"), ("stack", "dev")):
        monkeypatch.setattr(pulumi, f"get_{name}", lambda what=what: what)
    for key in [each for each in os.environ if each.startswith("CODER")]:
        monkeypatch.delenv(key)

    async def recalled() -> Memory:
        return Memory(state="0badcafe")

    async def survey(settings: Settings, _: object, past: Coroutine[None, None, Past], **__: object) -> None:
        past.close()
        raise LookupError(settings.of_stack)

    monkeypatch.setattr(main, "_recalled", recalled)
    monkeypatch.setattr(main, "survey", survey)
    config = {f"coderport:{key}": (text, True) for key, text in SERVERS.items()}
    monkeypatch.setattr(main, "_stack_config", lambda: {**config, "coderport:keepRuns": ("0", False)})
    with pytest.raises(LookupError, match=f"^'?{called}'?$"):
        asyncio.run(main._planned(Account()))
