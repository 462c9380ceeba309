"""Every wrong setting is named in our words, with its value, what is allowed and the whole command; exit code 2."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from coderport.coder.errors import UnknownOrganization
from coderport.engine.refusals import known_refusal
from coderport.errors import SettingsError
from coderport.kinds.all import kinds_asked
from coderport.settings import load_settings, settings_of, wrong_types
from coderport.settings.corrections import corrected

WHOLE = {
    "CODER_API_BASE_URL": "https://coder.example.com",
    "CODER_SESSION_TOKEN": "0123456789-abcdef",
    "PORT_CLIENT_ID": "id",
    "PORT_CLIENT_SECRET": "secret",
}
WEBHOOK = {"backend": "webhook", "url": "https://x.example.com/runs"}
SET = "config set --stack prod"

WRONG: list[tuple[dict[str, Any], str, str]] = [
    # config, what is said, the command
    ({"volatileRefreshh": "1h"}, "volatileRefreshh is not a setting (known: ", "did you mean volatileRefresh?"),
    ({"takeover": "true"}, "takeover is not a setting", "did you mean takeOver?"),
    ({"takeover": "true"}, "take it out of Pulumi.prod.yaml", "config rm --stack prod coderport:takeover"),
    ({"colour": "red"}, "colour is not a setting", "config rm --stack prod coderport:colour"),
    ({"actions": {"backnd": "github"}}, "actions.backnd is not a setting", "did you mean backend?"),
    ({"guard": {"deletedPercnt": 5}}, "guard.deletedPercnt is not a setting", "did you mean deletedPercent?"),
    ({"keepRuns": "5000"}, "keepRuns must be 1000 or less (it is 5000)", f"{SET} coderport:keepRuns"),
    ({"keepRuns": "-1"}, "keepRuns must be 0 or more (it is -1)", f"{SET} coderport:keepRuns"),
    ({"keepRuns": "many"}, "keepRuns must be a whole number (it is many)", f"{SET} coderport:keepRuns"),
    ({"keepRuns": "1.5"}, "keepRuns must be a whole number (it is 1.5)", f"{SET} coderport:keepRuns"),
    ({"guard": {"deleted": -1}}, "guard.deleted must be 0 or more (it is -1)", f"{SET} --path coderport:guard.deleted"),
    ({"guard": {"leftOutPercent": 101}}, "guard.leftOutPercent must be 100 or less (it is 101)", SET),
    ({"guard": "all"}, "guard must be an object (it is all)", "config rm --stack prod coderport:guard"),
    ({"volatileRefresh": "soon"}, "must be a whole number with a unit: 30m, 24h, 2d", f"{SET} coderport:"),
    ({"volatileRefresh": "-5m"}, "(it is -5m)", f"{SET} coderport:volatileRefresh"),
    ({"volatileRefresh": "99999999999d"}, "must be 3650d or less (it is 99999999999d)", f"{SET} coderport:"),
    ({"live": {"resync": "5s"}}, "live.resync must be 1m or more (it is 5s)", f"{SET} --path coderport:live.resync"),
    ({"live": {"resync": "2d"}}, "live.resync must be 1d or less (it is 2d)", f"{SET} --path coderport:live.resync"),
    ({"live": {"requestsPerMinute": 10}}, "live.requestsPerMinute must be 30 or more (it is 10)", SET),
    ({"live": {"rsync": "10m"}}, "live.rsync is not a setting", "did you mean resync?"),
    ({"live": "fast"}, "live must be an object (it is fast)", "config rm --stack prod coderport:live"),
    ({"history": "foo://bar"}, "must be a folder, or a URL such as s3://BUCKET/FOLDER", f"{SET} coderport:history"),
    ({"history": "s3://"}, "must name a bucket or folder: s3://BUCKET/FOLDER", f"{SET} coderport:history"),
    ({"answers": '["pages", "card"]'}, "answers[1] must be one of: aggregations, scorecards, pages (it is card)", SET),
    ({"dailyCost": 0}, "dailyCost must be 1 or more (it is 0)", f"{SET} coderport:dailyCost"),
    ({"blueprints": "mange"}, "blueprints must be one of: manage, use (it is mange)", "blueprints manage"),
    ({"protectBlueprints": "perhaps"}, "protectBlueprints must be true or false (it is perhaps)", SET),
    ({"takeOver": "ja"}, "takeOver must be true or false (it is ja)", SET),
    ({"includePrebuilds": "2"}, "includePrebuilds must be true or false (it is 2)", SET),
    ({"templates": "python"}, "templates must be a list (it is python)", f"{SET} --path 'coderport:templates[0]'"),
    ({"templates": '["", "a"]'}, "templates[0] an empty pattern matches nothing", "coderport:templates[0]"),
    ({"excludeTemplates": "5"}, "excludeTemplates must be a list (it is 5)", "coderport:excludeTemplates[0]"),
    ({"organizations": "{}x"}, "organizations must be a list", "coderport:organizations CHOOSE-"),
    ({"organizations": "[1]"}, "organizations[0] must be a text (it is 1)", "coderport:organizations[0]"),
    ({"coderApiBaseUrl": "coder"}, "coderApiBaseUrl", f"{SET} coderport:coderApiBaseUrl CHOOSE-URL"),
    ({"coderApiBaseUrl": "http://coder.example.com"}, "coderApiBaseUrl", "https"),
    ({"coderApiBaseUrl": "https:/coder.corp.com"}, "coderApiBaseUrl", f"{SET} coderport:coderApiBaseUrl https://coder.corp.com"),
    ({"coderApiBaseUrl": "https//coder.corp.com"}, "coderApiBaseUrl", f"{SET} coderport:coderApiBaseUrl https://coder.corp.com"),
    ({"includePrebuilds": "maybe"}, "includePrebuilds must be true or false (it is maybe)", "false"),
    ({"history": '["kept"]'}, "history must be a text", f"{SET} coderport:history kept"),
    ({"coderOrganizationId": '["a", "b"]'}, "coderOrganizationId must be a text", "CHOOSE-ORGANIZATION"),
    ({"portBaseUrl": "ftp://api.port.io"}, "portBaseUrl", f"{SET} coderport:portBaseUrl"),
    ({"history": {}, "keepRuns": []}, "keepRuns must be a whole number", SET),
    ({"actions": {"backend": "jenkins"}}, "actions.backend must be one of: off, github, webhook (it is jenkins)", SET),
    ({"actions": {"backend": "github"}}, "actions.repository is missing", "coderport:actions.repository CHOOSE-"),
    ({"actions": {"backend": "github", "repository": "coderport"}}, "must be organization/repository", SET),
    ({"actions": {"backend": "webhook"}}, "actions.url is missing", "coderport:actions.url https://CHOOSE-HOST"),
    ({"actions": {**WEBHOOK, "url": "https://x.example.com"}}, "actions.url must end with /runs", "actions.url"),
    ({"actions": {**WEBHOOK, "url": "https://x.example.com/hook"}}, "(it is https://x.example.com/hook)", SET),
    ({"actions": {**WEBHOOK, "url": "http://x.example.com/runs"}}, "url must be https unless", SET),
    ({"actions": {**WEBHOOK, "admins": ["ada"]}}, "actions.admins[0] must be an e-mail address (it is ada)", SET),
    ({"actions": {**WEBHOOK, "admins": ["a@b@c"]}}, "must be an e-mail address (it is a@b@c)", SET),
    ({"actions": {**WEBHOOK, "admins": ["\u212aim@x.io"]}}, "actions.admins[0] must have ASCII letters only", SET),
    ({"actions": {**WEBHOOK, "admins": "ada@example.com"}}, "actions.admins must be a list", "actions.admins[0]"),
    ({"actions": {**WEBHOOK, "roles": [""]}}, "actions.roles[0]", SET),
    ({"actions": {**WEBHOOK, "agent": "sometimes"}}, "actions.agent must be true or false (it is sometimes)", SET),
    ({"actions": {**WEBHOOK, "templates": "python"}}, "actions.templates must be a list (it is python)", SET),
    ({"actions": {**WEBHOOK, "templates": [5]}}, "A setting of this stack is wrong:", "coderport:actions.templates[0]"),
    ({"actions": {**WEBHOOK, "workflow": ""}}, "actions.workflow must not be empty", SET),
    ({"actions": {**WEBHOOK, "workflow": "https://github.com/a/b/x.yml"}}, "workflow's file", "actions.workflow x.yml"),
    ({"actions": {**WEBHOOK, "workflow": "my action"}}, "must be the name of a workflow's file", "coder-action.yml"),
    ({"actions": {**WEBHOOK, "fallbackUser": "a b"}}, "actions.fallbackUser must be the name of a user", SET),
    ({"actions": {**WEBHOOK, "fallbackUser": "ada@example.com"}}, "must be the name of a user of Coder", SET),
    ({"volatileRefresh": {}}, "volatileRefresh must be", f"{SET} coderport:volatileRefresh 24h"),
    ({"volatileRefresh": "{}"}, "volatileRefresh must be a whole number with a unit", "volatileRefresh 24h"),
    ({"guard": {"deleted": True}}, "guard.deleted must be a whole number (it is true)", "coderport:guard.deleted 10"),
    ({"live": {"resync": 600}}, "live.resync must be a whole number with a unit", "coderport:live.resync 10m"),
    ({"live": {"requestsPerMinute": False}}, "live.requestsPerMinute must be a whole number", SET),
    ({"keepRuns": True}, "keepRuns must be a whole number (it is true)", f"{SET} coderport:keepRuns 20"),
    ({"portClientId": "   "}, "portClientId must not be empty", "coderport:portClientId CHOOSE-CLIENT-ID"),
    ({"portClientId": "two words"}, "portClientId holds characters that no client id has", "CHOOSE-CLIENT-ID"),
    ({"coderOrganizationId": "  "}, "coderOrganizationId must not be empty", SET),
    ({"history": "  "}, "history must not be empty", f"{SET} coderport:history CHOOSE-FOLDER"),
    ({"history": "a\0b"}, "history holds characters that no path has", SET),
    ({"history": "https://example.com/x"}, "history must be a folder, or a URL such as s3://", SET),
    ({"history": "memory://x"}, "history must be a folder, or a URL such as s3://", SET),
    ({"history": "reference://x"}, "history must be a folder, or a URL such as s3://", SET),
    ({"actions": "on"}, "actions must be an object (it is on)", "config rm --stack prod coderport:actions"),
]  # fmt: skip

OF_THE_VALIDATOR = re.compile(
    r"Input should|String should|Value error|valid (integer|boolean|string|tuple|dictionary)|ctx|pydantic"
)


@pytest.mark.parametrize(("config", "said", "command"), WRONG)
def test_each_wrong_setting_is_told_with_what_is_allowed(config: dict[str, Any], said: str, command: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(config, WHOLE, stack="prod")
    text = str(raised.value)
    assert raised.value.exit_code == 2
    assert said in text and command.replace("'", "") in text.replace("'", ""), text
    assert not OF_THE_VALIDATOR.search(text), text
    assert "Nothing was read or written." in text


def test_the_file_is_named_and_for_what_comes_from_the_environment_the_variable() -> None:
    with pytest.raises(SettingsError, match=r"set it in Pulumi\.prod\.yaml:"):
        load_settings({"keepRuns": "5000"}, WHOLE, stack="acme/coderport/prod")
    with pytest.raises(SettingsError, match="what counts now is the environment variable CODER_API_BASE_URL"):
        load_settings({}, {**WHOLE, "CODER_API_BASE_URL": "coder"}, stack="prod")


def test_what_stands_in_the_place_of_an_object_or_a_list_is_taken_out_first() -> None:
    """Pulumi sets no part of an object where a list stands (3.250: "key for an array must be an int")."""
    for config, steps in (
        ({"guard": "[1]"}, ["config rm --stack prod coderport:guard"]),
        (
            {"templates": "python"},
            ["config rm --stack prod coderport:templates", f"{SET} --path 'coderport:templates[0]' python"],
        ),
        ({"templates": {"a": "b"}}, [f"{SET} coderport:templates CHOOSE-TEMPLATE"]),
    ):
        with pytest.raises(SettingsError) as raised:
            load_settings(config, WHOLE, stack="prod")
        printed = [line.strip() for line in str(raised.value).splitlines() if " -- config " in line]
        assert [line.partition(" pulumi -- ")[2] for line in printed] == steps
    with pytest.raises(SettingsError) as raised:
        load_settings({}, {**WHOLE, "CODERPORT_ACTIONS": "[]"}, stack="prod")
    assert "config rm" not in str(raised.value)


def test_a_namespace_with_a_typing_error_is_a_wrong_setting_and_another_s_is_left_alone() -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of({"coderprot:takeOver": ("true", False)}, "coderport", WHOLE, stack="prod")
    assert "coderprot:takeOver is not a setting; did you mean coderport:takeOver?" in str(raised.value)
    assert "config rm --stack prod coderprot:takeOver" in str(raised.value)
    others = {"aws:region": ("eu-west-1", False), "port:templates": ("x", False), "coderports:colour": ("1", False)}
    assert not settings_of(others, "coderport", WHOLE).take_over


def test_a_name_that_no_kind_has_is_told_with_the_nearest() -> None:
    with pytest.raises(SettingsError) as raised:
        kinds_asked(load_settings({"kinds": ["tempaltes", "users"]}, WHOLE, stack="prod"))
    text = str(raised.value)
    assert "coderport:kinds names no kind of objects by tempaltes (known: " in text
    assert "did you mean templates?" in text and f"{SET} coderport:kinds templates,users" in text


def test_what_only_pulumi_finds_of_a_wrong_type_is_told_in_our_words() -> None:
    text = wrong_types([("takeOver", "boolean", None, "coderport")], "prod")
    assert "coderport:takeOver must be true or false" in text and f"{SET} coderport:takeOver false" in text


def test_all_that_only_pulumi_finds_is_told_at_once_with_what_was_meant() -> None:
    found = [
        ("takeOver", "boolean", "on", "coderport"),
        ("protectBlueprints", "boolean", "no", "coderport"),
        ("keepRuns", "integer", " 50 ", "catalog"),
    ]
    text = wrong_types(found, "prod")
    assert "coderport:takeOver must be true or false (it is on)" in text
    for command in ("coderport:takeOver true", "coderport:protectBlueprints false", "catalog:keepRuns 50"):
        assert f"{SET} {command}" in text, text


@pytest.mark.parametrize("given", ['{"backend":"github",}', '{"Backend":"github"}', "[]", "{'backend':'off'}"])
def test_no_remedy_for_the_environment_switches_all_actions_off(given: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({}, {**WHOLE, "CODERPORT_ACTIONS": given}, stack="prod")
    text = str(raised.value)
    assert 'export CODERPORT_ACTIONS=\'{"backend": "CHOOSE-BACKEND"' in text and "'{}'" not in text


def test_a_secret_that_cannot_be_decrypted_is_a_wrong_setting() -> None:
    error = known_refusal("prod", "could not decrypt configuration values: bad value: illegal base64 data")
    assert isinstance(error, SettingsError) and "--stack prod --secret coderport:CHOOSE-KEY" in str(error)


def test_a_full_disk_below_the_state_is_told_with_what_to_do() -> None:
    said = "saving backup: blob (code=Unknown): write /x.tmp: no space left on device"
    error = known_refusal("prod", said, midway=True)
    assert known_refusal("prod", "403: Forbidden", midway=True) is None, "that may be Port's"
    assert error is not None and error.exit_code == 1 and "Make room there, and run again" in str(error)


def test_the_value_of_a_secret_is_in_no_message() -> None:
    for config in (
        {"coderSessionToken": "a token\nwith a break"},
        {"coderHeaders": {"Host": "my-own-secret"}},
        {"portClientSecret": "two words here"},
    ):
        with pytest.raises(SettingsError) as raised:
            load_settings(config, WHOLE, encrypted=frozenset(config), stack="prod")
        for value in ("with a break", "my-own-secret", "two words"):
            assert value not in str(raised.value)


def test_what_may_be_a_secret_under_a_wrong_key_is_not_shown() -> None:
    for config in (
        {"blueprints": "0123456789-abcdefghijklmnop"},
        {"keepRuns": "eyJhbGciOiJIUzI1NiJ9x"},
        {"actions": {**WEBHOOK, "url": "https://me:password@x.example.com/"}},
    ):
        with pytest.raises(SettingsError) as raised:
            load_settings(config, WHOLE, stack="prod")
        assert "(it is" not in str(raised.value)


def test_a_key_that_is_none_is_taken_out_of_where_it_stands() -> None:
    environ = {**WHOLE, "CODERPORT_ACTIONS": json.dumps({"backend": "off", "rols": []})}
    with pytest.raises(SettingsError, match="take it out of CODERPORT_ACTIONS") as raised:
        load_settings({}, environ, stack="prod")
    assert "config rm" not in str(raised.value)


def test_a_file_that_is_no_yaml_is_a_wrong_setting() -> None:
    said = (
        "error: could not unmarshal '/x/Pulumi.yaml': invalid YAML file: yaml: line 3: did not find expected ',' or ']'"
    )
    error = known_refusal("prod", said)
    assert isinstance(error, SettingsError) and error.exit_code == 2
    assert "is no YAML" in str(error) and "line 3" in str(error)


@pytest.mark.parametrize(
    ("config", "environment", "said"),
    [
        ({"organizations": '["coder", "lbs"]'}, {}, "config set --stack prod --path 'coderport:organizations[1]' labs"),
        ({"organizations": '["zoo"]'}, {}, "--path 'coderport:organizations[0]' CHOOSE-ORGANIZATION"),
        ({"coderOrganizationId": "lbs"}, {}, "config set --stack prod coderport:coderOrganizationId labs"),
        ({}, {"CODER_ORGANIZATION_ID": "lbs"}, "export CODER_ORGANIZATION_ID=labs"),
    ],
)
def test_an_organization_that_coder_does_not_show_is_told_where_it_is_named(
    config: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    settings = load_settings(config, {**WHOLE, **environment}, stack="prod")
    unknown = tuple(each for each in settings.coder_organizations if each != "coder")
    error = corrected(settings, UnknownOrganization("as the reader says it", unknown, ("coder", "labs")))
    text = str(error)
    assert error.exit_code == 2 and text.startswith(f"Coder has no organization '{unknown[0]}'")
    assert "It sees: coder, labs. Nothing was written." in text and said in text
    assert ("Pulumi.prod.yaml" in text) != bool(environment), text
