"""Settings: config first, environment as fallback, one error that lists every wrong key."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from coderport.catalog.actions.extras import EXTRAS
from coderport.catalog.values import LeftOut
from coderport.errors import SettingsError
from coderport.planning.notes import narrowed_by
from coderport.settings import ENVIRONMENT, Settings, load_releases, load_settings

ROOT = Path(__file__).resolve().parents[1]
SECRET = "verysecretvalue0123456789"
CONFIG = {
    "coderApiBaseUrl": "https://coder.example.com",
    "coderSessionToken": SECRET,
    "portClientId": "client",
    "portClientSecret": SECRET,
}
ENCRYPTED = frozenset({"coderSessionToken", "portClientSecret"})


def settings(**changes: Any) -> Settings:
    return load_settings({**CONFIG, **changes}, {}, encrypted=ENCRYPTED)


def error(config: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(config, environ or {}, encrypted=ENCRYPTED)
    assert raised.value.exit_code == 2
    return str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://coder.example.com", "https://coder.example.com/", "https://coder.example.com/api/v2/"]
)
def test_the_coder_url_is_taken_with_or_without_the_api_path(url: str) -> None:
    assert settings(coderApiBaseUrl=url).coder_api_base_url == "https://coder.example.com"


@pytest.mark.parametrize("url", ["https://api.us.port.io", "https://api.us.port.io/v1", "https://api.us.port.io/v1/"])
def test_the_port_url_is_taken_with_or_without_the_version(url: str) -> None:
    assert settings(portBaseUrl=url).port_base_url == "https://api.us.port.io"


def test_port_is_the_eu_region_by_default() -> None:
    assert settings().port_base_url == "https://api.port.io"


def test_the_environment_counts_where_the_config_is_silent_or_empty() -> None:
    environ = {
        variable: f"https://{variable.lower().replace('_', '-')}.example.com" for variable in ENVIRONMENT.values()
    }
    environ["CODERPORT_CODER_HEADERS"] = '{"X-Access": "letmein-please"}'
    environ["CODERPORT_ACTIONS"] = '{"backend": "github", "repository": "acme/coderport"}'
    found = load_settings(
        {"portClientId": "", "coderApiBaseUrl": "https://coder.example.com", "actions": "{}"}, environ
    )
    assert found.coder_api_base_url == "https://coder.example.com"
    assert found.port_client_id == environ["PORT_CLIENT_ID"]
    assert found.actions.repository == "acme/coderport"
    assert found.coder_header_values == {"X-Access": "letmein-please"}
    assert found.secrets_from_config == frozenset()


def test_credentials_of_the_config_are_marked_so_that_they_travel_as_pulumi_secrets() -> None:
    assert settings().secrets_from_config == {"coderSessionToken", "portClientId", "portClientSecret"}


def test_one_error_lists_every_wrong_key_with_its_places_and_an_example() -> None:
    text = error({"coderApiBaseUrl": "coder", "volatileRefresh": "soon", "takeover": "true"})
    for part in (
        "coderport:coderApiBaseUrl must be an http(s) URL",
        "coderport:coderSessionToken is missing",
        "coderport:portClientId is missing",
        "coderport:portClientSecret is missing",
        "coderport:volatileRefresh must be a whole number with a unit",
        "coderport:takeover is not a setting",
        "python -m coderport pulumi -- config set --stack NAME --secret coderport:coderSessionToken",
        "the environment variable CODER_SESSION_TOKEN",
        "config set --stack NAME coderport:coderApiBaseUrl CHOOSE-URL",
        "Nothing was read or written.",
    ):
        assert part in text


def test_a_secret_in_clear_is_refused_except_for_emulators_on_this_machine() -> None:
    with pytest.raises(SettingsError, match="is in clear in the stack config"):
        load_settings(CONFIG, {})
    local = {**CONFIG, "coderApiBaseUrl": "http://127.0.0.1:17080", "portBaseUrl": "http://localhost:17081"}
    assert load_settings(local, {}).port_base_url == "http://localhost:17081"


@pytest.mark.parametrize("bad", [f"{SECRET}\n", f'"{SECRET} "x', f"{SECRET}é"])
def test_a_token_with_characters_that_no_header_takes_is_named_and_never_shown(bad: str) -> None:
    if bad == f"{SECRET}\n":
        bad = f"{SECRET}\nsecond line"
    text = error({**CONFIG, "coderSessionToken": bad})
    assert "coderport:coderSessionToken holds characters" in text
    assert SECRET not in text


@pytest.mark.parametrize("broken", [{"coderApiBaseUrl": "x"}, {"blueprints": SECRET}, {"organizations": "[1"}])
def test_no_error_and_no_repr_shows_a_secret(broken: dict[str, Any]) -> None:
    text = error({**CONFIG, **broken})
    assert text.count(SECRET) == 0
    assert SECRET not in repr(settings())


@pytest.mark.parametrize(
    ("text", "duration"),
    [("0", timedelta(0)), ("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("2d", timedelta(days=2))],
)
def test_durations_have_a_unit(text: str, duration: timedelta) -> None:
    assert settings(volatileRefresh=text).volatile_refresh == duration


def test_lists_arrive_from_pulumi_as_json_text() -> None:
    found = settings(templates='["docker-*"]', organizations='["acme"]', coderOrganizationId="other")
    assert found.templates == ("docker-*",)
    assert found.coder_organizations == ("acme", "other")


def test_releases_are_for_one_run_and_come_from_the_environment() -> None:
    assert load_releases({}).allow_deletions == 0
    found = load_releases({"CODERPORT_ALLOW_DELETIONS": "25", "CODERPORT_FORGET_UNPROVEN": "3"})
    assert (found.allow_deletions, found.forget_unproven) == (25, 3)
    with pytest.raises(SettingsError, match="CODERPORT_ALLOW_DELETIONS: must be a whole number"):
        load_releases({"CODERPORT_ALLOW_DELETIONS": "many"})


def schema() -> dict[str, dict[str, Any]]:
    config: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    return config


def test_the_typed_schema_holds_exactly_the_settings_each_with_a_description_and_a_default() -> None:
    fields = {field.alias or name for name, field in Settings.model_fields.items()} - {
        "secrets_from_config",
        "from_environment",
        "namespaces",
        "of_stack",
        "kinds",  # a list or a word: Pulumi's schema knows no such type
    }
    assert set(schema()) == fields
    for key, entry in schema().items():
        assert entry["description"].endswith("."), key
        assert "default" in entry, key


def test_the_defaults_of_the_schema_are_those_of_the_code() -> None:
    defaults = {key: entry["default"] for key, entry in schema().items()}
    assert load_settings({**defaults, **CONFIG}, {}, encrypted=ENCRYPTED) == settings()


def test_the_page_of_settings_names_every_setting_with_its_default_and_environment_variable() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for key, entry in schema().items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{key}` |"))
        default = entry["default"]
        assert f"`{str(default).lower() if isinstance(default, bool) else default}`" in row or default in ("", []), key
        if key in ENVIRONMENT:
            assert f"`{ENVIRONMENT[key]}`" in row, key


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_shipped_stacks_are_valid(stack: str) -> None:
    entries = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    environ = {"CODER_SESSION_TOKEN": SECRET, "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET}
    config = {key.removeprefix("coderport:"): value for key, value in entries.items()}
    assert load_settings(config, environ).coder_api_base_url


def test_what_leaves_out_the_actions_is_said_with_the_variable() -> None:
    environment = {"CODERPORT_ACTIONS": '{"backend": "webhook", "url": "https://x.example/runs"}'}
    assert narrowed_by(settings())[LeftOut.ACTIONS] == " (it is not set, and the environment has no CODERPORT_ACTIONS)"
    assert (
        "has CODERPORT_ACTIONS" in narrowed_by(load_settings(CONFIG, environment, encrypted=ENCRYPTED))[LeftOut.ACTIONS]
    )
    assert LeftOut.ACTIONS not in narrowed_by(settings(actions={"backend": "off"}))


def test_the_fallback_user_is_somebody_by_name() -> None:
    for wrong in ("me", " ME ", " "):
        actions = {"backend": "webhook", "url": "https://x.example/runs", "fallbackUser": wrong}
        assert "coderport:actions.fallbackUser" in error({**CONFIG, "actions": actions})


def test_a_wrong_key_of_the_actions_is_named_with_the_way_to_set_it() -> None:
    text = error({**CONFIG, "actions": '{"backend": "webhook", "templates": 7, "colour": "blue"}'})
    assert "coderport:actions.templates must be" in text or "coderport:actions.templates Input should be" in text
    assert "python -m coderport pulumi -- config set --stack NAME --path 'coderport:actions.templates[0]'" in text
    assert "coderport:actions.colour is not a setting (known: admins, agent, approveDelete, backend" in text


@pytest.mark.parametrize(("backend", "needs"), [("github", "repository"), ("webhook", "url")])
def test_a_backend_without_what_it_needs_is_an_error(backend: str, needs: str) -> None:
    assert f"the backend {backend} needs {needs}" in error({**CONFIG, "actions": {"backend": backend}})


def test_a_webhook_in_clear_is_for_port_s_agent_only() -> None:
    actions = {"backend": "webhook", "url": "http://coderport.internal/runs"}
    assert "url must be https unless" in error({**CONFIG, "actions": actions})
    assert settings(actions={**actions, "agent": True}).actions.url == "http://coderport.internal/runs"


def test_extra_actions_are_a_list_or_all_and_without_them_a_stack_is_what_it_was() -> None:
    github = {"backend": "github", "repository": "acme/platform", "admins": ["root@example.com"]}

    def extra(value: Any) -> Settings:
        return settings(actions={**github, "extra": value})

    assert extra("all").actions.extra == EXTRAS
    assert extra(["dormancy", "dormancy"]).actions.extra == extra('["dormancy"]').actions.extra == ("dormancy",)
    assert settings(actions=github).fingerprint == extra([]).fingerprint != extra("all").fingerprint
    assert "coderport:actions.extra" in error({**CONFIG, "actions": {**github, "extra": ["sleep"]}})
    assert "only admins may press" in error({**CONFIG, "actions": {**github, "admins": [], "extra": "all"}})


def test_headers_for_an_access_proxy_are_a_secret_map() -> None:
    given = '{"CF-Access-Client-Secret": "' + SECRET + '"}'
    found = load_settings({**CONFIG, "coderHeaders": given}, {}, encrypted=ENCRYPTED | {"coderHeaders"})
    assert found.coder_header_values == {"CF-Access-Client-Secret": SECRET}
    assert SECRET not in repr(found) and found.fingerprint == settings().fingerprint
    text = error({**CONFIG, "coderHeaders": given})
    assert "coderport:coderHeaders is in clear" in text and SECRET not in text
    again = "config set --stack NAME --secret --path coderport:coderHeaders.CF-Access-Client-Secret"
    assert f"python -m coderport pulumi -- {again}" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Coder-Session-Token": SECRET},
        {"HOST": SECRET},
        {"Content-Length": "1"},
        {"Cookie": f"a=b; coder_session_token={SECRET}"},
        {"X-A": f"{SECRET}\r\nX-B: c"},
        {"X-A": f"{SECRET}é"},
        {"X-A": ""},
        {"X A": SECRET},
        {"": SECRET},
        {"X-A": SECRET, "x-a": SECRET},
        {"X-A": 7},
        [SECRET],
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_and_its_value_not_shown(headers: Any) -> None:
    text = error(CONFIG, {"CODERPORT_CODER_HEADERS": json.dumps(headers)})
    assert "coderport:coderHeaders" in text and SECRET not in text


def test_the_kinds_are_a_list_or_all() -> None:
    nothing: tuple[Any, ...] = (None, "", "default", [], "[]")
    everything: tuple[Any, ...] = ("all", "ALL", ["all"], '["all"]')
    assert {settings(kinds=each).kinds for each in nothing} == {"default"}
    assert {settings(kinds=each).kinds for each in everything} == {"all"}
    for listed in (["user", "Organization"], '["organization","user"]', "organization, user"):
        assert settings(kinds=listed).kinds == ("organization", "user")


def test_what_has_only_the_default_kinds_is_what_it_was_for_the_versions_that_knew_no_others() -> None:
    """Their fingerprint had no kinds in it."""
    plain = settings()
    assert plain.fingerprint == settings(kinds="default").fingerprint != settings(kinds="all").fingerprint
