"""Stack config and environment, validated into one frozen value.

Every setting lives in the stack config under `coderport:`. Those of `ENVIRONMENT` also have an environment
variable, which counts where the config is silent. All mistakes are reported in one error.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from coderport import __version__
from coderport.catalog.answers.values import Part
from coderport.errors import SettingsError
from coderport.port.errors import EU_URL, US_URL
from coderport.terminal.remedy import CLI
from coderport.terminal.wording import LIST, OBJECT, reason_of, unknown, value_shown
from coderport.transport.address import http_address, is_in_clear, is_loopback, server_address
from coderport.transport.headers import require_sendable

NAMESPACE = "coderport"
NO_STACK = "NAME"
"""Stands in a remedy for the name of a stack that is not known where the settings are read."""

ENVIRONMENT: Mapping[str, str] = {
    "coderApiBaseUrl": "CODER_API_BASE_URL",
    "coderSessionToken": "CODER_SESSION_TOKEN",
    "coderHeaders": "CODERPORT_CODER_HEADERS",
    "coderOrganizationId": "CODER_ORGANIZATION_ID",
    "portClientId": "PORT_CLIENT_ID",
    "portClientSecret": "PORT_CLIENT_SECRET",
    "portBaseUrl": "PORT_BASE_URL",
    "actions": "CODERPORT_ACTIONS",
}
RELEASES: Mapping[str, str] = {
    "allow_deletions": "CODERPORT_ALLOW_DELETIONS",
    "forget_unproven": "CODERPORT_FORGET_UNPROVEN",
}
_EXAMPLES: Mapping[str, str] = {
    "coderApiBaseUrl": "https://coder.example.com",
    "coderSessionToken": "the token that `coder tokens create` prints",
    "coderHeaders": '{"CF-Access-Client-Id": "…", "CF-Access-Client-Secret": "…"} in the environment',
    "portClientId": "the client id under Port's … > Credentials",
    "portClientSecret": "the client secret beside it",
    "portBaseUrl": f"{EU_URL} (EU) or {US_URL} (US)",
    "blueprints": "manage",
    "volatileRefresh": "24h",
}
_SECRETS = frozenset({"coderSessionToken", "coderHeaders", "portClientSecret"})
_SOURCES = frozenset({"secrets_from_config", "from_environment", "of_stack"})
"""Members of the settings that say where values came from."""
_DURATION = re.compile(r"(?P<number>\d+)(?P<unit>[smhd])")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str):
        if value.strip() == "0":
            return timedelta(0)
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("must be a whole number with a unit: 30m, 24h, 2d, or 0 for always")
        return timedelta(seconds=int(match["number"]) * _UNITS[match["unit"]])
    return value


def _json(what: str) -> Callable[[object], object]:
    """Pulumi hands lists and objects to a program as JSON text; `what` is said where the text is none."""

    def parsed(value: object) -> object:
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise ValueError(what) from None
        return value

    return parsed


_object, _list = _json(OBJECT), _json(LIST)


def _kinds(value: object) -> object:
    """`all`, a list, or names with commas between; nothing, or `default`, is the default."""
    if isinstance(value, str):
        text = value.strip()
        value = _list(text) if text.startswith("[") else [each for each in text.split(",") if each.strip()]
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        names = tuple(sorted({each.strip().lower() for each in value}))
        return names[0] if names in (("all",), ("default",)) else names or "default"
    return value


def _each_once(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(sorted(set(parts)))


def _glob(value: str) -> str:
    if not value.strip():
        raise ValueError("an empty pattern matches nothing")
    return value.strip()


def _repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value.strip()):
        raise ValueError("must be organization/repository")
    return value.strip()


def _address(value: str) -> str:
    name, _, host = value.strip().partition("@")
    if not name or not host or "@" in host or any(each.isspace() for each in value.strip()):
        raise ValueError("must be an e-mail address")
    return value.strip()


def _webhook(value: str) -> str:
    address = http_address(value)
    if not urlsplit(address).path.rstrip("/").endswith("/runs"):
        raise ValueError("must end with /runs, where the service takes runs")
    return address


def _header_safe(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text.strip():
        raise ValueError("holds characters that no token has (a line break or a quote pasted along?)")
    return SecretStr(text.strip())


def _somebody(value: str) -> str:
    if not value.strip():
        raise ValueError("an empty name is nobody's")
    if value.strip().lower() == "me":
        raise ValueError('names a user of Coder; "me" would be the user of the runner\'s token')
    return value.strip()


Token = Annotated[SecretStr, AfterValidator(_header_safe)]
Headers = Annotated[Mapping[str, SecretStr], AfterValidator(require_sendable), BeforeValidator(_object)]
Addresses = Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(_list)]
Globs = Annotated[tuple[Annotated[str, AfterValidator(_glob)], ...], BeforeValidator(_list)]


class Actions(BaseModel):
    """The self-service actions: which backend runs them, who may, what they may do. `coderport:actions` in the config.

    `installation_id` names the Port integration that dispatches the workflow; without it Port is asked for the one that
    it has. `templates` names the templates that get a form of their own: "all", "none" or globs. `admins` are e-mails
    of people who may act on everybody's workspaces, `roles` Port's roles that may run actions at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    backend: Literal["off", "github", "webhook"] = "off"
    repository: Annotated[str, AfterValidator(_repository)] | None = None
    workflow: str = Field(default="coder-action.yml", min_length=1)
    installation_id: str | None = Field(default=None, alias="installationId", min_length=1)
    url: Annotated[str, AfterValidator(_webhook)] | None = None
    agent: bool = False
    templates: Literal["all", "none"] | Globs = "all"
    approve_delete: bool = Field(default=False, alias="approveDelete")
    admins: Addresses = ()
    roles: Globs = ("Admin", "Member")
    fallback_user: Annotated[str, AfterValidator(_somebody)] | None = Field(default=None, alias="fallbackUser")
    wait_for_agent: bool = Field(default=True, alias="waitForAgent")

    @model_validator(mode="after")
    def _backend_has_what_it_needs(self) -> Actions:
        needed = {"github": ("repository", self.repository), "webhook": ("url", self.url)}.get(self.backend)
        if needed is not None and needed[1] is None:
            raise ValueError(f"the backend {self.backend} needs {needed[0]}")
        if self.url and is_in_clear(self.url) and not self.agent:
            raise ValueError("url must be https unless Port's agent calls it (agent: true)")
        return self


class CoderAccess(BaseModel):
    """Where Coder is, and the token for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    coder_api_base_url: Annotated[str, AfterValidator(partial(server_address, suffix="/api/v2"))] = Field(
        alias="coderApiBaseUrl"
    )
    coder_session_token: Token = Field(alias="coderSessionToken")
    coder_headers: Headers = Field(default={}, alias="coderHeaders")

    @property
    def coder_header_values(self) -> dict[str, str]:
        """The own headers of each request to Coder, with their values."""
        return {name: value.get_secret_value() for name, value in self.coder_headers.items()}


class PortAccess(BaseModel):
    """Where Port is, and the credentials for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    port_client_id: str = Field(alias="portClientId", min_length=1)
    port_client_secret: Token = Field(alias="portClientSecret")
    port_base_url: Annotated[str, AfterValidator(partial(server_address, suffix="/v1"))] = Field(
        default=EU_URL, alias="portBaseUrl"
    )


Access = TypeVar("Access", CoderAccess, PortAccess)


class Limits(BaseModel):
    """How much a run may delete without a release, of each kind: the greater of a number and a share of what it has.

    `deleted` is for what Coder says was deleted, in one run. `leftOut` is for what lives in Coder and is left out by
    the settings, in a day. `coderport:guard` in the config.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    deleted: Annotated[int, Field(ge=0)] = 10
    deleted_percent: Annotated[int, Field(alias="deletedPercent", ge=0, le=100)] = 20
    left_out: Annotated[int, Field(alias="leftOut", ge=0)] = 3
    left_out_percent: Annotated[int, Field(alias="leftOutPercent", ge=0, le=100)] = 5

    def for_deleted(self, ours: int) -> int:
        """How many of so many may go in a run because Coder deleted them."""
        return max(self.deleted, ours * self.deleted_percent // 100)

    def for_left_out(self, ours: int) -> int:
        """How many of so many may go in a day though they live in Coder."""
        return max(self.left_out, ours * self.left_out_percent // 100)


class Live(BaseModel):
    """How `live` asks Coder. `coderport:live` in the config.

    `resync` is the time in which it reads everything once more, a part at a time. `requests_per_minute` are its
    requests to Coder at most, in any minute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    resync: Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(minutes=1), le=timedelta(days=1))] = (
        timedelta(minutes=10)
    )
    requests_per_minute: Annotated[int, Field(alias="requestsPerMinute", ge=30, le=512)] = 120


class Settings(PortAccess, CoderAccess):
    """What one run of one stack works with. Field aliases are the keys of the stack config.

    `secrets_from_config` names the credentials that came from the stack config and therefore belong into the
    explicit provider as Pulumi secrets; those from the environment never enter the state. `from_environment` names the
    keys of which the config says nothing and the environment does. `of_stack` is the stack's name for Pulumi, which
    every remedy names: without it Pulumi acts on the stack that was selected last.
    """

    coder_organization_id: str | None = Field(default=None, alias="coderOrganizationId")
    organizations: Globs = ()
    blueprints: Literal["manage", "use"] = "manage"
    protect_blueprints: bool = Field(default=True, alias="protectBlueprints")
    take_over: bool = Field(default=False, alias="takeOver")
    include_prebuilds: bool = Field(default=False, alias="includePrebuilds")
    templates: Globs = ()
    exclude_templates: Globs = Field(default=(), alias="excludeTemplates")
    kinds: Annotated[Literal["default", "all"] | tuple[str, ...], BeforeValidator(_kinds)] = "default"
    volatile_refresh: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        default=timedelta(hours=24), alias="volatileRefresh"
    )
    actions: Annotated[Actions, BeforeValidator(_object)] = Actions()
    answers: Annotated[tuple[Part, ...], AfterValidator(_each_once), BeforeValidator(_list)] = ()
    daily_cost: Annotated[int, Field(alias="dailyCost", ge=1)] = 10
    keep_runs: Annotated[int, Field(ge=0, le=1000)] = Field(default=20, alias="keepRuns")
    history: str = Field(default=".coderport/history", min_length=1)
    guard: Annotated[Limits, BeforeValidator(_object)] = Limits()
    live: Annotated[Live, BeforeValidator(_object)] = Live()
    secrets_from_config: frozenset[str] = frozenset()
    from_environment: frozenset[str] = frozenset()
    of_stack: str = NO_STACK

    @property
    def coder_organizations(self) -> tuple[str, ...]:
        """Ids or names of the Coder organizations in scope; empty means all."""
        single = (self.coder_organization_id,) if self.coder_organization_id else ()
        return tuple(dict.fromkeys((*self.organizations, *single)))

    @property
    def fingerprint(self) -> str:
        """The same for the same version of coderport and the same settings; secrets do not count, nor do they show."""
        no_part_in_the_catalog = {"keep_runs", "history", "live", *_SOURCES}
        if self.kinds == "default":  # as the versions had it that knew no others
            no_part_in_the_catalog.add("kinds")
        if not self.answers:
            no_part_in_the_catalog |= {"answers", "daily_cost"}
        plain = self.model_dump_json(
            exclude={"coder_session_token", "coder_headers", "port_client_secret", *no_part_in_the_catalog}
        )
        return hashlib.sha256(f"{__version__} {plain}".encode()).hexdigest()[:16]


class Releases(BaseModel):
    """What a person allowed for this one run, from the command line or the environment, never from the config."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_deletions: Annotated[int, Field(ge=0)] = 0
    forget_unproven: Annotated[int, Field(ge=0)] = 0


_OBJECTS: Mapping[str, type[BaseModel]] = {"actions": Actions, "guard": Limits, "live": Live}
"""The settings that are objects, by key."""


def load_settings(
    config: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    encrypted: frozenset[str] = frozenset(),
    stack: str = NO_STACK,
) -> Settings:
    """Settings from the stack config (keys without namespace, values parsed), the environment where it is silent.

    `encrypted` names the config keys that Pulumi keeps as secrets. Empty texts and objects count as not set, so that
    the typed schema can offer a default. Raises one SettingsError that lists every wrong key.
    """
    given = _given(config, environ)
    in_config = _given(config, {}).keys()
    from_config = frozenset(key for key in in_config if key in _SECRETS | {"portClientId"})
    from_environment = frozenset(given.keys() - in_config)
    sources = {"secrets_from_config": from_config, "from_environment": from_environment, "of_stack": stack}
    problems: list[tuple[str, str]] = []
    settings: Settings | None = None
    try:
        settings = Settings.model_validate({**given, **sources})
    except ValidationError as error:
        problems.extend(problems_of(error))
    for key in sorted(_SECRETS & from_config - encrypted):
        if not _only_emulators(given):
            problems.append((key, "is in clear in the stack config"))
    if problems or settings is None:
        raise SettingsError(_report(problems, stack, from_environment))
    return settings


def load_access(kind: type[Access], environ: Mapping[str, str]) -> Access:
    """Where one of the two servers is and how to get in, from the environment alone; one SettingsError lists it all."""
    keys = {field.alias for field in kind.model_fields.values()}
    given = {key: value for key, value in _given({}, environ).items() if key in keys}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        wrong = "\n".join(f"  {ENVIRONMENT[key]} {reason}" for key, reason in problems_of(error))
        raise SettingsError(f"The environment is not complete:\n{wrong}\nNothing was asked.") from None


def settings_of(
    config: Mapping[str, tuple[Any, bool]], project: str, environ: Mapping[str, str], *, stack: str = NO_STACK
) -> Settings:
    """Settings from the whole config of a stack: `namespace:key` with its value and whether it is encrypted.

    The namespace is always ours. In a project of another name, whose own namespace Pulumi fills with the defaults of
    `Pulumi.yaml`, what that says counts where ours is silent. Raises SettingsError as `load_settings` does.
    """
    values: dict[str, Any] = {}
    encrypted: set[str] = set()
    for namespace in dict.fromkeys((project, NAMESPACE)):
        for name, (value, secret) in config.items():
            key = name.removeprefix(f"{namespace}:")
            if key != name and (key not in values or value not in (None, "", "{}", "[]")):
                values[key] = value
                encrypted = encrypted | {key} if secret else encrypted - {key}
    return load_settings(values, environ, encrypted=frozenset(encrypted), stack=stack)


def printed_settings(file: Path, project: str, environ: Mapping[str, str], *, stack: str = NO_STACK) -> Settings:
    """Settings from what `pulumi config --json` printed, with `--show-secrets` or with the secrets in the environment.

    Raises SettingsError where the file is none of that, and as `load_settings` does.
    """
    try:
        printed = json.loads(file.read_text(encoding="utf-8"))
        config = {str(key): (each.get("value"), bool(each.get("secret"))) for key, each in printed.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"{file} cannot be used: {error}.\nIt has to hold what this prints, on a machine with the Pulumi CLI:\n"
            f"  {CLI} config --json --show-secrets --stack {stack}"
        ) from None
    return settings_of(config, project, environ, stack=stack)


def load_releases(environ: Mapping[str, str]) -> Releases:
    """The one-run releases from `CODERPORT_ALLOW_DELETIONS` and `CODERPORT_FORGET_UNPROVEN`."""
    given = {field: environ[name] for field, name in RELEASES.items() if environ.get(name, "").strip()}
    try:
        return Releases.model_validate(given)
    except ValidationError as error:
        names = ", ".join(RELEASES[str(item["loc"][0])] for item in error.errors(include_input=False))
        raise SettingsError(f"{names}: must be a whole number, 0 or more, for example 25") from None


def _given(config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """What is set, by key of the config: there first, else in the environment."""
    given = {key: value for key, value in config.items() if value not in (None, "", "{}", {})}
    for key, variable in ENVIRONMENT.items():
        if key not in given and environ.get(variable, "").strip():
            given[key] = environ[variable].strip()
    return given


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """Each wrong key with what is wrong about it."""
    return [(_path(item["loc"]), _reason(item)) for item in _last_of_each(error)]


def _last_of_each(error: ValidationError) -> list[Any]:
    """The errors by place; of a value that fits none of several types the last one, whose type is the richest.

    pydantic adds the name of such a type to the place (`function-before[…]`, `literal[…]`): that is no part of a key.
    """
    found: dict[tuple[int | str, ...], Any] = {}
    for item in error.errors():
        place = tuple(each for each in item["loc"] if isinstance(each, int) or "[" not in each)
        found[place] = {**item, "loc": place}
    return list(found.values())


def _path(place: tuple[int | str, ...]) -> str:
    """The way to a value in the config, as `pulumi config set --path` takes it."""
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).removeprefix(".")


def _only_emulators(given: Mapping[str, Any]) -> bool:
    return all(is_loopback(str(given.get(key, ""))) for key in ("coderApiBaseUrl", "portBaseUrl"))


def _reason(item: Any) -> str:
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "extra_forbidden":
        fields = Settings.model_fields if len(item["loc"]) == 1 else _OBJECTS[item["loc"][0]].model_fields
        return unknown(str(item["loc"][-1]), {field.alias or name for name, field in fields.items()} - _SOURCES)
    shown = "" if item["loc"][:1] and item["loc"][0] in _SECRETS else value_shown(item.get("input"))
    return f"{reason_of(item)}{f' (it is {shown})' if shown and item['type'] != 'missing' else ''}"


def _set(key: str, reason: str) -> str:
    """The options and the key with which `pulumi config set` sets it; an object or a list by a part of it."""
    inside = {OBJECT: ".KEY", LIST: "[0]"}
    part = next((each for words, each in inside.items() if reason.startswith(words)), "")
    part = ".NAME" if key == "coderHeaders" else part
    options = ["--secret"] * (key in _SECRETS) + ["--path"] * (bool(part) or "." in key or "[" in key)
    return " ".join((*options, shlex.quote(f"{NAMESPACE}:{key}{part}")))


def _report(problems: list[tuple[str, str]], stack: str, from_environment: frozenset[str]) -> str:
    lines = [
        "The settings of this stack are not complete:" if len(problems) > 1 else "A setting of this stack is wrong:"
    ]
    for key, reason in dict.fromkeys(problems):
        lines.append(f"  {NAMESPACE}:{key} {reason}")
        if "is not a setting" in reason:
            top = key.partition(".")[0]
            file, command = f"Pulumi.{stack}.yaml", f":\n      {CLI} config rm --stack {stack} {_set(key, '')}"
            lines.append(f"    take it out of {ENVIRONMENT[top] if top in from_environment else file + command}")
        else:
            also = f", or with the environment variable {ENVIRONMENT[key]}" if key in ENVIRONMENT else ""
            # The value of a secret is asked for, so that it stands in no shell's history.
            example = _EXAMPLES.get(key, "VALUE")
            value = "" if key in _SECRETS else f" {'VALUE' if ' ' in example else example}"
            lines.append(f"    set it{also}:\n      {CLI} config set --stack {stack} {_set(key, reason)}{value}")
        if " " in _EXAMPLES.get(key, ""):
            lines.append(f"    it is {_EXAMPLES[key]}")
    lines.append("docs/settings.md lists every setting. Nothing was read or written.")
    return "\n".join(lines)
