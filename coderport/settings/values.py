"""The settings as frozen values, and their defaults."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from coderport import RELEASE
from coderport.catalog.actions.extras import Extra
from coderport.catalog.answers.values import Part
from coderport.catalog.identifiers import BUILT_IN_ROLES
from coderport.port.errors import EU_URL
from coderport.settings.checks import (
    Addresses,
    Globs,
    Headers,
    Roles,
    Token,
    client_id,
    duration,
    each_once,
    extras_named,
    history_place,
    json_list,
    json_object,
    kinds_named,
    not_blank,
    number,
    repository_name,
    user_name,
    webhook_address,
    workflow_file,
)
from coderport.settings.names import SOURCES
from coderport.settings.problem import KeysWrong, path_of
from coderport.terminal.placeholder import NO_STACK
from coderport.transport.address import is_in_clear, server_address


class Actions(BaseModel):
    """The self-service actions: which backend runs them, who may, what they may do. `coderport:actions` in the config.

    `installation_id` names the Port integration that dispatches the workflow; without it Port is asked for the one that
    it has. `templates` names the templates that get a form of their own: "all", "none" or globs. `admins` are e-mails
    of people who may act on everybody's workspaces, `roles` Port's roles that may run actions at all. `extra` names
    groups of actions beyond those that are always there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    backend: Literal["off", "github", "webhook"] = "off"
    repository: Annotated[str, AfterValidator(repository_name)] | None = None
    workflow: Annotated[str, AfterValidator(workflow_file)] = "coder-action.yml"
    installation_id: Annotated[str, AfterValidator(not_blank)] | None = Field(default=None, alias="installationId")
    url: Annotated[str, AfterValidator(webhook_address)] | None = None
    agent: bool = False
    templates: Literal["all", "none"] | Globs = "all"
    approve_delete: bool = Field(default=False, alias="approveDelete")
    admins: Addresses = ()
    roles: Roles = BUILT_IN_ROLES
    fallback_user: Annotated[str, AfterValidator(user_name)] | None = Field(default=None, alias="fallbackUser")
    wait_for_agent: bool = Field(default=True, alias="waitForAgent")
    extra: Annotated[tuple[Extra, ...], AfterValidator(each_once), BeforeValidator(extras_named)] = ()

    @model_validator(mode="after")
    def _keys_go_together(self) -> Actions:
        wrong: dict[str, tuple[str, str | None]] = {}
        needed = {"github": ("repository", self.repository), "webhook": ("url", self.url)}.get(self.backend)
        if needed is not None and needed[1] is None:
            wrong[needed[0]] = f"is missing: the backend {self.backend} needs {needed[0]}", None
        if self.url and is_in_clear(self.url) and not self.agent:
            meant = f"https://{self.url.partition('://')[2]}"
            wrong["url"] = "must be https unless Port's agent calls it (agent: true)", meant
        if self.backend != "off" and "bulk" in self.extra and not self.admins:
            reason = "is missing: extra has bulk, which only admins may press: name them, or leave bulk out"
            wrong["admins"] = reason, None
        if wrong:
            raise KeysWrong(wrong)
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

    port_client_id: Annotated[str, AfterValidator(client_id)] = Field(alias="portClientId")
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

    deleted: Annotated[int, Field(ge=0), BeforeValidator(number)] = 10
    deleted_percent: Annotated[int, Field(alias="deletedPercent", ge=0, le=100), BeforeValidator(number)] = 20
    left_out: Annotated[int, Field(alias="leftOut", ge=0), BeforeValidator(number)] = 3
    left_out_percent: Annotated[int, Field(alias="leftOutPercent", ge=0, le=100), BeforeValidator(number)] = 5

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

    resync: Annotated[timedelta, BeforeValidator(duration), Field(ge=timedelta(minutes=1), le=timedelta(days=1))] = (
        timedelta(minutes=10)
    )
    requests_per_minute: Annotated[int, Field(alias="requestsPerMinute", ge=30, le=512), BeforeValidator(number)] = 120


class Settings(PortAccess, CoderAccess):
    """What one run of one stack works with. Field aliases are the keys of the stack config.

    `secrets_from_config` names the credentials that came from the stack config and therefore belong into the
    explicit provider as Pulumi secrets; those from the environment never enter the state. `from_environment` names the
    keys of which the config says nothing and the environment does. `namespaces` are those in which keys of the config
    stand, ours where it names none. `of_stack` is the stack's name for Pulumi, which
    every remedy names: without it Pulumi acts on the stack that was selected last.
    """

    coder_organization_id: Annotated[str, AfterValidator(not_blank)] | None = Field(
        default=None, alias="coderOrganizationId"
    )
    organizations: Globs = ()
    blueprints: Literal["manage", "use"] = "manage"
    protect_blueprints: bool = Field(default=True, alias="protectBlueprints")
    take_over: bool = Field(default=False, alias="takeOver")
    include_prebuilds: bool = Field(default=False, alias="includePrebuilds")
    templates: Globs = ()
    exclude_templates: Globs = Field(default=(), alias="excludeTemplates")
    kinds: Annotated[Literal["default", "all"] | tuple[str, ...], BeforeValidator(kinds_named)] = "default"
    volatile_refresh: Annotated[timedelta, BeforeValidator(duration)] = Field(
        default=timedelta(hours=24), alias="volatileRefresh"
    )
    actions: Annotated[Actions, BeforeValidator(json_object)] = Actions()
    owning_teams: bool = Field(default=False, alias="owningTeams")
    answers: Annotated[tuple[Part, ...], AfterValidator(each_once), BeforeValidator(json_list)] = ()
    daily_cost: Annotated[int, Field(alias="dailyCost", ge=1), BeforeValidator(number)] = 10
    keep_runs: Annotated[int, Field(ge=0, le=1000), BeforeValidator(number)] = Field(default=20, alias="keepRuns")
    history: Annotated[str, AfterValidator(history_place)] = ".coderport/history"
    guard: Annotated[Limits, BeforeValidator(json_object)] = Limits()
    live: Annotated[Live, BeforeValidator(json_object)] = Live()
    secrets_from_config: frozenset[str] = frozenset()
    from_environment: frozenset[str] = frozenset()
    namespaces: Mapping[str, str] = {}
    of_stack: str = NO_STACK

    def path(self, *place: int | str) -> str:
        """A place in the config as Pulumi takes it, in the namespace that its key stands in.

        A value in our namespace hides the whole of one in the project's own.
        """
        return path_of(place, self.namespaces)

    @property
    def coder_organizations(self) -> tuple[str, ...]:
        """Ids or names of the Coder organizations in scope; empty means all."""
        single = (self.coder_organization_id,) if self.coder_organization_id else ()
        return tuple(dict.fromkeys((*self.organizations, *single)))

    @property
    def fingerprint(self) -> str:
        """The same for the same release of coderport and the same settings; secrets do not count, nor do they show."""
        no_part_in_the_catalog = {"keep_runs", "history", "live", *SOURCES}
        if self.kinds == "default":  # as the versions had it that knew no others
            no_part_in_the_catalog.add("kinds")
        if not self.owning_teams:
            no_part_in_the_catalog.add("owning_teams")
        if not self.answers:
            no_part_in_the_catalog |= {"answers", "daily_cost"}
        no_part_in_the_catalog |= {"coder_session_token", "coder_headers", "port_client_secret"}
        left_out: dict[str, bool | set[str]] = dict.fromkeys(no_part_in_the_catalog, True)
        if not self.actions.extra:
            left_out["actions"] = {"extra"}
        plain = self.model_dump_json(exclude=left_out)
        return hashlib.sha256(f"{RELEASE} {plain}".encode()).hexdigest()[:16]


class Releases(BaseModel):
    """What a person allowed for this one run, from the command line or the environment, never from the config."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_deletions: Annotated[int, Field(ge=0)] = 0
    forget_unproven: Annotated[int, Field(ge=0)] = 0

    @property
    def options(self) -> str:
        """The same on a command line, each after a blank; empty where nothing was allowed."""
        return "".join(f" --{name.replace('_', '-')} {number}" for name, number in self if number)


OBJECTS: Mapping[str, type[BaseModel]] = {"actions": Actions, "guard": Limits, "live": Live}
"""The settings that are objects, by key."""
