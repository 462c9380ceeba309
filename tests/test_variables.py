"""Values that the validator finds wrong, in a variable, an option or an answer: told in our words, never in its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

import pytest
from pydantic_core.core_schema import ErrorType
from typer.testing import CliRunner

from coderport.coder.errors import CoderAnswerError
from coderport.coder.models import Template, Workspace, read_as
from coderport.commands.cli import app
from coderport.errors import SettingsError
from coderport.live.settings import service_settings as of_live
from coderport.runner.service.settings import service_settings as of_serve
from coderport.settings import CoderAccess, PortAccess, load_access, load_releases
from coderport.terminal.wording import reason_of

OF_THE_VALIDATOR = re.compile(r"Input should|String should|Value (error|should)|Field required|valid (integer|boolean)")
DATABASE = {"CODERPORT_SERVE_DATABASE": "/data/runs", "PORT_CLIENT_SECRET": "secret"}
Read = Callable[[Mapping[str, str]], Any]


def of_coder(environment: Mapping[str, str]) -> CoderAccess:
    return load_access(CoderAccess, environment)


def of_port(environment: Mapping[str, str]) -> PortAccess:
    return load_access(PortAccess, environment)


WRONG: list[tuple[Read, dict[str, str], str, str]] = [
    (of_live, {"CODERPORT_LIVE_PORT": "abc"}, "PORT: must be a whole number from 0 to 65535 (it is abc)", "=8081"),
    (of_live, {"CODERPORT_LIVE_PORT": "99999"}, "a whole number from 0 to 65535 (it is 99999)", "LIVE_PORT=8081"),
    (of_live, {"CODERPORT_LIVE_PORT": "80.5"}, "a whole number from 0 to 65535 (it is 80.5)", "LIVE_PORT=8081"),
    (of_live, {"CODERPORT_LIVE_GRACE_SECONDS": "inf"}, "must be a number, 0 or more (it is inf)", "GRACE_SECONDS=25"),
    (of_live, {"CODERPORT_LIVE_WEBHOOK_SECRET": "short"}, "16 characters or more (it has 5)", "=$(openssl"),
    (of_serve, {}, "CODERPORT_SERVE_DATABASE: is missing; it must be the name of a file", "DATABASE=$HOME/"),
    (of_serve, {}, "PORT_CLIENT_SECRET: is missing", "export PORT_CLIENT_SECRET=CHOOSE-CLIENT-SECRET"),
    (of_serve, {**DATABASE, "CODERPORT_SERVE_GRACE_SECONDS": "nan"}, "0 or more (it is nan)", "GRACE_SECONDS=25"),
    (of_serve, {**DATABASE, "CODERPORT_SERVE_WORKERS": "0"}, "a whole number, 1 or more (it is 0)", "WORKERS=8"),
    (load_releases, {"CODERPORT_ALLOW_DELETIONS": "many"}, "0 or more (it is many)", "unset CODERPORT_ALLOW_DELETIONS"),
    (load_releases, {"CODERPORT_FORGET_UNPROVEN": "-1"}, "(it is -1)", "unset CODERPORT_FORGET_UNPROVEN"),
    (of_coder, {}, "CODER_SESSION_TOKEN is missing", "export CODER_SESSION_TOKEN=CHOOSE-TOKEN"),
    (of_coder, {"CODER_API_BASE_URL": "x.example.com"}, "(it is x.example.com)", "=https://x.example.com"),
    (of_port, {"PORT_CLIENT_ID": "CHOOSE-CLIENT-ID"}, "stands for what you choose", "PORT_CLIENT_SECRET=CHOOSE-"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "environment", "said", "command"), WRONG)
def test_a_wrong_variable_is_told_with_what_it_is_what_it_may_be_and_the_command(
    read: Read, environment: dict[str, str], said: str, command: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        read(environment)
    text = str(raised.value)
    assert said in text and any(line.startswith("    ") and command in line for line in text.splitlines()), text
    assert not OF_THE_VALIDATOR.search(text)


def test_a_blank_variable_is_not_set_and_a_secret_is_never_shown() -> None:
    assert of_live({"CODERPORT_LIVE_PORT": "  "}).port == 8081
    with pytest.raises(SettingsError) as raised:
        of_live({"CODERPORT_LIVE_WEBHOOK_SECRET": "hushhush"})
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("words", "said", "command"),
    [
        ("up --stack dev --allow-deletions many", "a whole number, 0 or more (it is many)", "--allow-deletions 0"),
        ("-q sync -s dev --forget-unproven=-1", "must be a whole number, 0 or more (it is -1)", "--forget-unproven=0"),
        ("emulate --seed 1.5 --workspaces 9", "must be a whole number (it is 1.5)", "--seed 0 --workspaces 9"),
        ("demo --workspaces 1", "must be a whole number, 3 or more (it is 1)", "demo --workspaces 40"),
    ],
)  # fmt: skip
def test_a_wrong_value_of_an_option_is_told_alike_with_the_whole_command(words: str, said: str, command: str) -> None:
    done = CliRunner().invoke(app, words.split())
    told = " ".join(done.output.split())
    assert done.exit_code == 2 and said in told and told.endswith(command)
    assert not OF_THE_VALIDATOR.search(told)


@pytest.mark.parametrize(
    ("model", "row", "said"),
    [
        (Workspace, {"id": "swordfish"}, "field id: must be a UUID (it is a text)"),
        (Workspace, ["swordfish"], "must be an object (it is a list)"),
        (Template, {"id": "5a43", "name": {"a": 1}}, "field name: must be a text (it is an object)"),
        (Template, {"created_at": "swordfish"}, "field created_at: must be a time of RFC 3339 (it is a text)"),
        (Template, {"name": "swordfish"}, "field organization_id: is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_about_an_answer_of_coder_is_told_by_kind_and_without_its_values(
    model: type[Template] | type[Workspace], row: object, said: str
) -> None:
    with pytest.raises(CoderAnswerError) as raised:
        read_as(model, row)
    assert said in str(raised.value)
    assert "swordfish" not in str(raised.value) and not OF_THE_VALIDATOR.search(str(raised.value))


def test_every_error_that_the_validator_knows_has_words_of_ours() -> None:
    numbers = dict.fromkeys(("ge", "gt", "le", "lt", "min_length", "max_length"), 1)
    for kind in get_args(ErrorType):
        words = reason_of({"type": kind, "ctx": {**numbers, "expected": "'a'", "error": ValueError("must be b")}})
        assert words.startswith(("must", "is missing", "cannot be used", "does not have")), kind
        assert not OF_THE_VALIDATOR.search(words), kind
