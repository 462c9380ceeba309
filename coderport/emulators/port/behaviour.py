"""How a Port behaves where it changed, where organizations differ, or where nobody outside knows: one field each.

The defaults follow the best public evidence; where there is none they are assumptions. Most fields are what a probe of
`conformance` sees (the probe names the field), so that a recording of a live Port makes an emulated one of the same
behaviour. The others say why no probe finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Named = Literal["users", "teams", "roles"]
"""Those whom permissions name."""
NAMED: Final[frozenset[Named]] = frozenset({"users", "teams", "roles"})


@dataclass(frozen=True)
class Behaviour:
    """One behaviour. Immutable: an emulator's whole behaviour is replaced at once."""

    unset_property: Literal["null", "absent"] = "null"
    """A property without a value, in every answer with an entity. The Terraform provider's acceptance test
    EntityWithNulls passes on a live Port only with null."""
    unset_relation: Literal["null", "absent"] = "null"
    """The same of a relation to one (the provider's test EntityWithEmptyRelation)."""
    unset_many_relation: Literal["null", "empty", "absent"] = "null"
    """The same of a relation to many. An assumption."""
    unset_label: Literal["null", "absent"] = "absent"
    """An icon or title that was never set: both OpenAPI documents have strings only."""
    takes_null_label: bool = False
    """`icon`, `title` or `team` null in a creation or replacement; both OpenAPI documents allow it in a patch only."""
    apostrophe: bool = True
    """Whether an entity's identifier may hold ``'`` (OpenAPI of August 2026)."""
    strict_formats: bool = False
    """Whether values are held to formats as common JSON validators do (a `url` needs a public host, …). An assumption:
    what Port uses is not established."""
    fills_defaults: bool = True
    """Whether a new entity gets the defaults of the properties that it has no value for (docs.port.io,
    setup-blueprint/properties: for entities that are created without a value)."""
    format_is_permanent: bool = True
    """422 `forbidden_format_change` for a property that gets, loses or changes its format (port-labs/port-cli)."""
    type_is_permanent: bool = True
    """422 for a property of another type. Port calls types permanent; how its API says so is not documented."""
    target_is_permanent: bool = True
    """422 for a relation to another target. An assumption."""
    many_is_permanent: bool = True
    """422 for a relation that turns from one to many or back. An assumption."""
    error_details: bool = True
    """Refusals name what is wrong in `details` (port-labs/port-cli: `property`, `invalidProperties`,
    `invalidRelations`)."""
    max_bulk_upserts: int = 20
    """Entities in one bulk write (OpenAPI); the answer's `maxBulkSize` may differ between organizations."""
    max_bulk_deletes: int = 100
    """Entities in one bulk deletion (OpenAPI)."""
    announces_bulk_size: bool = True
    """Answers of both bulk routes carry `maxBulkSize` (OpenAPI of August 2026)."""
    bulk_too_large: Literal[422, 413] = 422
    """The status of a bulk call with more items than that."""
    bulk_sees_itself: bool = True
    """Whether an item of a bulk call may relate to an earlier one of the same call. An assumption."""
    bulk_is_atomic: bool = False
    """Whether one bad item of a bulk call keeps the others out. OpenAPI says that some may succeed."""
    moves_updated_at: bool = True
    """Whether a write that changes nothing moves `updatedAt`. An assumption."""
    search_delay: float = 0.0
    """Seconds until a search finds a new entity. An assumption; the Terraform provider waits up to 10 for `_team`."""
    single_write_budget: Literal["entities", "single upsert"] = "entities"
    """The rate budget of PUT, PATCH and DELETE of one entity. An assumption."""
    calculations: Literal["read", "stored"] = "stored"
    """When calculated properties are computed: on each read, or after a write and then kept (port-labs/port-skills:
    so for accounts made after 2026-03-30)."""
    calculations_delay: float = 0.0
    """Seconds until kept values follow a write: they are computed in the background (port-labs/port-skills), and how
    long that takes is not told. An assumption."""
    lists_blueprint_actions: bool = True
    """Whether ``/v1/blueprints/{blueprint}/actions`` answers, or 410 (port-labs/port-cli 0.3.7: some organizations)."""
    short_include: bool = True
    """Whether `include` of a search takes ``$identifier``, ``$title`` and bare names of properties (OpenAPI)."""
    moderators: bool = True
    """Whether a new blueprint may be written by Admin and ``<blueprint>-moderator`` (port-labs/port-skills)."""
    permissions_name_unknown: frozenset[Named] = NAMED
    """Whom a blueprint's permissions may name although there is none of that name. An assumption."""
    action_permissions_name_unknown: frozenset[Named] = NAMED
    """The same of an action's permissions. An assumption."""
    permissions_delay: float = 0.0
    """Seconds for which a new action has no permissions yet (Terraform provider, client.go; port-k8s-exporter)."""
    serves_github_app: bool = False
    """Whether actions may be of the type GITHUB, which Port's docs call deprecated from 15 July 2026."""
    refused_webhook: Literal["FAILURE", "IN_PROGRESS"] = "FAILURE"
    """What a run becomes whose asynchronous webhook answers 400 or more, or not at all. An assumption."""
    log_order: Literal["oldest first", "newest first"] = "oldest first"
    """The order of a run's log. An assumption."""
    most_log_lines: int = 50
    """The longest page of a run's log. An assumption."""
    input_entity: Literal["whole", "brief"] = "whole"
    """What an entity that a person chose is in a payload: with its properties, as measured on a live Port on 2026-09-25
    (Banca-Agente-IA-demo/agentic-standard), or its identifier, title, icon and blueprint alone."""
    users_own_by_team: bool = True
    """Whether what inherits its ownership over a relation to ``_user`` has the teams of that person. Port's docs say
    that entities of ``_user`` have teams, and that ownership is inherited along relations; not both in one example."""
    users_have_scim: bool = True
    """Whether a user carries `managedByScim` (OpenAPI of August 2026)."""
    most_unpaged: int = 10_000
    """The unpaged list of a blueprint's entities ends in 504 above this (port-experimental/port-cli). No probe: it
    would have to write as many entities."""
    retry_after: bool = True
    """A 429 carries `Retry-After`, which Port's own CLI reads (port-labs/port-cli). No probe: it would have to spend an
    organization's whole budget."""
