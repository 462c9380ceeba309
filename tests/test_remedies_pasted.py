"""What is printed for a wrong setting is pasted: the error is gone, or what a person has to choose is refused.

All keys with many wrong values in this process, on a model of the stack's file; one project goes through a shell and
the CLI, and holds the model to that.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack_file import NAMESPACE, CliRefusal, StackFile, commands_in
from test_remedies import COMMANDS
from test_settings_told import WRONG
from typer.testing import CliRunner

from coderport.coder.errors import UnknownOrganization
from coderport.commands.cli import app
from coderport.commands.pulumi import run_pulumi
from coderport.engine import CliInfo
from coderport.errors import SettingsError
from coderport.kinds.all import kinds_asked
from coderport.settings import Settings, printed_settings, settings_of, wrong_types
from coderport.settings.corrections import corrected
from coderport.settings.names import SECRETS, SOURCES
from coderport.settings.values import OBJECTS
from coderport.terminal.placeholder import placeholder_in

SECRET_VALUES = {"coderSessionToken": "0123456789-abcdef", "portClientSecret": "a-secret"}
ENVIRON = {
    "CODER_API_BASE_URL": "https://coder.example.com",
    "CODER_SESSION_TOKEN": "0123456789-abcdef",
    "PORT_CLIENT_ID": "id",
    "PORT_CLIENT_SECRET": "secret",
}
OBJECT_BASE: Mapping[str, dict[str, Any]] = {
    "actions": {"backend": "webhook", "url": "https://x.example.com/runs", "roles": ["Admin", "Member"]},
    "guard": {"deleted": 7, "leftOutPercent": 4},
    "live": {"resync": "20m"},
}
BASE: Mapping[str, Any] = {"dailyCost": "12", "excludeTemplates": ["old-*"], **OBJECT_BASE}
VALUES: tuple[Any, ...] = (
    "", " ", "no such thing", "githb", "manege", "al", "fasle", "workspac", "scorcards", "bulk", "a,b", "-x", "me",
    "0", "-1", "99999999", "1.5", "5y", "[", "{", '{"a": "b"}', "s4://x", "s3://", "coder.example.com",
    "http://coder.example.com", "https://x.example.com", "http://x.example.com/runs",
    "git@github.com:acme/platform.git",
    "CHOOSE-URL", 7, -1, True, [], [""], [5, True], ["a", ["b"]], {"a": "b"}, {"a b": {"c.d": ["e"]}},
)  # fmt: skip
KEYS = sorted(
    {field.alias or name for name, field in Settings.model_fields.items()} - SOURCES - SECRETS - {"coderHeaders"}
)
INNER = [(top, field.alias or name) for top, model in OBJECTS.items() for name, field in model.model_fields.items()]


def load(file: StackFile, environ: Mapping[str, str] = ENVIRON) -> Settings:
    """The settings, or SettingsError for what is wrong, as a command finds both before it reads anything."""
    config = {f"{NAMESPACE}{key}": (value, key in file.secrets) for key, value in file.given().items()}
    settings = settings_of(config, "coderport", environ, stack="dev")
    kinds_asked(settings)
    return settings


def wrong_in(file: StackFile, environ: Mapping[str, str] = ENVIRON) -> str:
    try:
        load(file, environ)
    except SettingsError as error:
        assert error.exit_code == 2
        return str(error)
    return ""


def heads(text: str) -> set[str]:
    """What is said to be wrong: the keys with the reasons."""
    return set(re.findall(r"^  (\S+:.*)$", text, re.MULTILINE))


def paste(file: StackFile, text: str) -> bool:
    """Pastes all that the text prints; whether a placeholder was refused."""
    refused = False
    for command in commands_in(text):
        try:
            file.pasted(command)
        except CliRefusal as error:
            assert str(error) == "a placeholder", (command, file.config)
            refused = True
    return refused


def check(file: StackFile, touched: set[str]) -> None:
    """Pastes until nothing is wrong or a person has to choose; all that was not wrong stays as it was."""
    others = {key: each for key, each in file.config.items() if key not in touched}
    for _ in range(4):
        if not (text := wrong_in(file)):
            break
        assert commands_in(text), text
        if paste(file, text):
            assert wrong_in(file), "what is to be chosen is not taken for chosen"
            break
        assert not heads(text) & heads(wrong_in(file)), text
    else:
        pytest.fail(f"still wrong: {wrong_in(file)}")
    assert {key: file.config.get(key) for key in others} == others


@pytest.mark.parametrize("key", KEYS)
def test_for_every_key_what_is_printed_corrects_it_or_has_to_be_chosen(key: str) -> None:
    found = 0
    for value in VALUES:
        if isinstance(value, str) and value.startswith('{"') and key in OBJECTS:
            continue  # Pulumi's schema has such a text for no object, see below
        file = StackFile({**BASE, key: value})
        found += bool(wrong_in(file))
        check(file, {key})
    assert found


@pytest.mark.parametrize(("top", "key"), INNER)
def test_for_every_key_of_a_group_the_others_of_it_stay(top: str, key: str) -> None:
    found = 0
    for value in VALUES:
        file = StackFile({**BASE, top: {**OBJECT_BASE[top], key: value}})
        was_wrong = bool(wrong_in(file))
        found += was_wrong
        check(file, {top})
        if was_wrong and isinstance(file.config.get(top), dict):
            others = {name: each for name, each in OBJECT_BASE[top].items() if name != key}
            assert {name: file.config[top].get(name) for name in others} == others or (
                key == "agent" or ("url" in others and file.config[top]["url"].startswith("https"))
            )
    assert found > 2


@pytest.mark.parametrize("config", [each[0] for each in WRONG])
def test_each_wrong_setting_that_has_a_test_of_its_words_is_corrected_as_printed(config: dict[str, Any]) -> None:
    config = {
        key: json.loads(each) if isinstance(each, str) and each.startswith(("[", '{"')) else each
        for key, each in config.items()
    }
    file = StackFile({**{key: each for key, each in BASE.items() if key not in config}, **config})
    assert wrong_in(file)
    check(file, set(config))


DERIVED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"templates": "x"}, {"templates": ["x"]}),
    ({"templates": "a,b"}, {"templates": ["a", "b"]}),
    ({"kinds": ["workspac", "user"]}, {"kinds": "user,workspaces"}),
    ({"takeOver": "ja"}, {"takeOver": "false"}),
    ({"includePrebuilds": "ture"}, {"includePrebuilds": "true"}),
    ({"keepRuns": "many"}, {"keepRuns": "20"}),
    ({"answers": ["scorcards"]}, {"answers": ["scorecards"]}),
    ({"coderApiBaseUrl": "coder.acme.io"}, {"coderApiBaseUrl": "https://coder.acme.io"}),
    ({"portBaseUrl": "api.us.port.io"}, {"portBaseUrl": "https://api.us.port.io"}),
    ({"volatileRefresh": "soon"}, {"volatileRefresh": "24h"}),
    ({"guard": {"deleted": -1, "leftOut": 2}}, {"guard": {"deleted": 10, "leftOut": 2}}),
    ({"live": {"resync": "5s"}}, {"live": {"resync": "10m"}}),
    ({"actions": {"backend": "githb", "repository": "a/b"}}, {"actions": {"backend": "github", "repository": "a/b"}}),
    (
        {"actions": {"backend": "github", "repository": "https://github.com/acme/platform"}},
        {"actions": {"backend": "github", "repository": "acme/platform"}},
    ),
    (
        {"actions": {"backend": "webhook", "url": "http://x.example.com/runs"}},
        {"actions": {"backend": "webhook", "url": "https://x.example.com/runs"}},
    ),
    (
        {"actions": {"backend": "webhook", "url": "http://x.example.com"}},
        {"actions": {"backend": "webhook", "url": "https://x.example.com/runs"}},
    ),
    (
        {"actions": {"backend": "webhook", "url": "http://localhost:8080"}},
        {"actions": {"backend": "webhook", "url": "http://localhost:8080/runs"}},
    ),
    ({"actions": {"roles": "Admin", "backend": "off"}}, {"actions": {"roles": ["Admin"], "backend": "off"}}),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "right"), DERIVED)
def test_what_can_be_derived_is_in_the_command(wrong: dict[str, Any], right: dict[str, Any]) -> None:
    file = StackFile(wrong)
    assert not paste(file, wrong_in(file)) and not wrong_in(file)
    assert file.config == right


CHOSEN: list[tuple[dict[str, Any], str]] = [
    ({"actions": {"backend": "github", "admins": ["a@b.c"]}}, "actions.repository"),
    ({"actions": {"backend": "webhook", "admins": ["a@b.c"]}}, "actions.url"),
    ({"actions": {"backend": "github", "repository": "a/b", "extra": ["bulk"]}}, "actions.admins[0]"),
    ({"actions": {"backend": "jenkins", "repository": "a/b"}}, "actions.backend"),
    ({"history": "s4://x"}, "history"),
    ({"kinds": [1]}, "kinds[0]"),
]


@pytest.mark.parametrize(("wrong", "key"), CHOSEN)
def test_what_has_to_be_chosen_is_asked_for_at_its_key_and_the_file_stays_as_it_was(
    wrong: dict[str, Any], key: str
) -> None:
    file = StackFile(wrong)
    [command] = commands_in(wrong_in(file))
    assert f"{NAMESPACE}{key}" in shlex.split(command)
    assert paste(file, command) and file.config == wrong
    # set by other means, it is no setting either, and before anything is read
    word = shlex.split(command)[-1]
    assert placeholder_in(word) in word
    name, _, inner = key.partition(".")
    left = {
        name: {**wrong[name], inner.removesuffix("[0]"): [word] if inner.endswith("]") else word} if inner else word
    }
    assert f"{placeholder_in(word)} stands for what you choose" in wrong_in(StackFile(left))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a", "X-A": "b"},
        {"X-A": "b", "x-a": "c"},
        {"X A": "b"},
        {"X-A": "line\nbreak", "X-B": "c"},
        {"X-A": 7},
        "x",
    ],
)
def test_headers_are_corrected_one_by_one_and_never_shown(headers: Any) -> None:
    file = StackFile({"coderHeaders": headers})
    file.secrets.add("coderHeaders")
    text = wrong_in(file)
    assert text and "break" not in text.replace("line break", "")
    if paste(file, text):
        assert headers == "x"
    else:
        assert not wrong_in(file)
        kept = {name: each for name, each in headers.items() if name in ("X-B",) or (name == "X-A" and each == "b")}
        assert kept.items() <= file.config["coderHeaders"].items()


def test_secrets_in_clear_are_asked_for_anew() -> None:
    file = StackFile({**SECRET_VALUES, "coderHeaders": {"X-A": "b", "X-B": "c"}})
    assert not paste(file, text := wrong_in(file)) and not wrong_in(file)
    assert not any(value in text for value in SECRET_VALUES.values())
    assert file.secrets == {"coderHeaders", *SECRET_VALUES}


@pytest.mark.parametrize(
    "value", [*VALUES, *({"extra": each} for each in VALUES), *({"templates": each} for each in VALUES)]
)
def test_what_the_environment_says_is_corrected_there(value: Any) -> None:
    """A part of it in the file would take the place of all of it."""
    whole = {**OBJECT_BASE["actions"], **value} if isinstance(value, dict) else value
    environ = {**ENVIRON, "CODERPORT_ACTIONS": whole if isinstance(whole, str) else json.dumps(whole)}
    for _ in range(4):
        if not (text := wrong_in(StackFile({}), environ)):
            return
        assert not commands_in(text)
        [export] = re.findall(r"^\s+export (CODERPORT_ACTIONS=.+)$", text, re.MULTILINE)
        [word] = shlex.split(export)
        environ["CODERPORT_ACTIONS"] = word.partition("=")[2]
        if placeholder_in(word):
            assert "stands for what you choose" in wrong_in(StackFile({}), environ)
            return
    pytest.fail(wrong_in(StackFile({}), environ))


def test_an_object_or_a_list_that_is_a_text_for_pulumi_is_set_part_by_part() -> None:
    for key, kind, value in (
        ("actions", "object", {"backend": "github", "repository": "a/b", "roles": ["5"], "agent": True}),
        ("templates", "array", ["a", "7"]),
    ):
        file = StackFile({key: json.dumps(value)})
        assert not paste(file, wrong_types([(key, kind, file.config[key], "coderport")], "dev"))
        assert file.config == {key: value}


def test_the_namespace_of_the_project_is_that_of_the_command() -> None:
    config = {"acme:actions": ('{"backend": "githb", "repository": "a/b"}', False), "acme:colour": ("red", False)}
    with pytest.raises(SettingsError) as raised:
        settings_of(config, "acme", ENVIRON, stack="dev")
    assert "--path acme:actions.backend github" in str(raised.value)
    assert "config rm --stack dev acme:colour" in str(raised.value)


@pytest.mark.parametrize("words", [["config", "set", "x", "CHOOSE-URL"], ["stack", "rename", "NAME", "--stack", "dev"]])
def test_a_word_that_stands_for_a_choice_never_reaches_pulumi(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(*call: object) -> None:
        raise AssertionError(call)

    monkeypatch.setattr(os, "execve", reached)
    with pytest.raises(SettingsError, match=f"still has {words[3] if words[0] == 'config' else 'NAME'} in it"):
        run_pulumi(words)


@pytest.mark.parametrize("command", ["preview", "up", "sync", "drift", "ls", "doctor", "init", "history"])
@pytest.mark.parametrize("name", ["NAME", "acme/coderport/NAME", "CHOOSE-STACK"])
def test_no_command_takes_the_word_for_a_stack_as_its_name(command: str, name: str) -> None:
    done = CliRunner().invoke(app, [command, "--stack", name])
    assert done.exit_code == 2 and "stands for what you choose" in " ".join(done.output.split())


# --- through a shell, with the CLI

ROUNDS: list[dict[str, Any]] = [
    {
        "templates": "x",
        "excludeTemplates": {"a": "b"},
        "organizations": [1, "b"],
        "kinds": ["workspac", "user"],
        "takeOver": "ja",
        "keepRuns": "many",
        "guard": [1],
        "answers": ["pages", "scorcards"],
        "live": {"resync": "5s", "a b.c": 1},
        "actions": {"backend": "githb", "repository": "a/b", "roles": "Admin", "admins": ["a@b.c"]},
        "templates[0]": "z",
        "colour": "red",
    },
    {
        "portClientSecret": "in-clear",
        "coderHeaders": {"X-A.b": "in clear", "X-B": "c"},
        "history": "s4://x",
        "actions": {"backend": "github", "workflow": "", "roles": ["Admin"], "admins": {"a": "b"}},
        "templates": {"a": "b"},
        "guard": {"deleted": -1, "leftOut": 3},
    },
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[tuple[Path, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("a project")
    (folder / "Pulumi.yaml").write_text("name: coderport\nruntime: python\n")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PULUMI_BACKEND_URL": f"file://{folder}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "CLI": str(cli.path),
    }
    subprocess.run([cli.path, "stack", "init", "dev"], cwd=folder, env=environ, check=True, capture_output=True)
    yield folder, environ


# `python -m coderport pulumi -- …` without the start of a Python: the CLI is what writes the file.
SHELL = """
python() { shift 4; case "$*" in *CHOOSE-*) echo refused;; *) printf %s what-a-person-types | "$CLI" "$@";; esac; }
"""


def through_a_shell(project: tuple[Path, dict[str, str]], commands: list[str]) -> None:
    folder, environ = project
    script = SHELL + "\n".join(f"{each} || exit" for each in commands)
    done = subprocess.run(["sh", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("wrong", ROUNDS)
def test_the_model_is_what_a_shell_and_the_cli_do(wrong: dict[str, Any], project: tuple[Path, dict[str, str]]) -> None:
    folder, environ = project
    stack_file = folder / "Pulumi.dev.yaml"
    salt = {key: each for key, each in yaml.safe_load(stack_file.read_text()).items() if key != "config"}
    stack_file.write_text(
        yaml.safe_dump({**salt, "config": {f"{NAMESPACE}{key}": each for key, each in wrong.items()}})
    )
    model = StackFile(wrong)
    text = wrong_in(model)
    assert len(heads(text)) >= len(wrong)
    through_a_shell(project, commands_in(text))
    paste(model, text)
    printed = subprocess.run(
        [environ["CLI"], "config", "--json", "--show-secrets", "--stack", "dev"],
        cwd=folder, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = json.loads(printed.stdout)
    found = {key.removeprefix(NAMESPACE): each.get("objectValue", each.get("value")) for key, each in rows.items()}
    assert found == model.config
    (folder / "config.json").write_text(printed.stdout)
    try:
        printed_settings(folder / "config.json", "coderport", ENVIRON, stack="dev")
    except SettingsError as error:
        assert heads(str(error)) == heads(wrong_in(model)) and not heads(str(error)) & heads(text) - heads_chosen(text)


def test_an_organization_that_coder_does_not_show_is_corrected_where_it_stands() -> None:
    for seen, right in ((("acme", "platform"), ["acme", "platform"]), (("zzz",), None)):
        file = StackFile({"organizations": ["acme", "platfrom"], **OBJECT_BASE})
        error = corrected(load(file), UnknownOrganization("", ("platfrom",), seen))
        before = json.loads(json.dumps(file.config))
        assert paste(file, str(error)) == (right is None)
        assert file.config == {**before, "organizations": right or before["organizations"]}


def heads_chosen(text: str) -> set[str]:
    """Those that a person has to choose a value for."""
    blocks = re.split(r"^(?=  \S)", text, flags=re.MULTILINE)
    return {head for block in blocks if "stands for what you choose" in block for head in heads(block)}


def test_the_other_remedies_that_write_the_file_work_as_they_stand(project: tuple[Path, dict[str, str]]) -> None:
    lines = [line for _, line in COMMANDS if re.search(r" config (set|rm) ", line) and "CHOOSE-" not in line]
    filled = []
    for line in lines:
        if "placeplace" in line or line.endswith("place place") or "--secret" in line:
            continue  # those of wrong settings, above; a secret is asked for
        line = line.replace("place:", NAMESPACE).replace("--stack place", "--stack dev")
        line = f"{line} dev" if line.endswith("--stack") else line
        line = f"{line} true" if line.endswith("takeOver") and " set " in line else line
        line = f"{line} 12345" if line.endswith("installationId") else line
        if NAMESPACE in line:  # the rest is the beginning of one that is put together, as those of a scope are
            filled.append(line)
    assert len(filled) >= 6
    through_a_shell(project, filled)
