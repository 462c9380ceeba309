"""What differs between Coder versions: one table, and a version as one value that the handlers ask.

A release is reached through the date of a pull request where the notes do not name one (releases are monthly; 2.31 is
of March 2026). "[M]" and "[N]" are the two states of coder/coder that were read: 2026-03-12 and 2026-09-18 or later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from coderport.emulators.kit import EmulatorError

NEWEST: Final = (2, 37)
OLDEST: Final = (2, 13)


@dataclass(frozen=True)
class Flavour:
    """One version of Coder; each flag is a behaviour, or a set of fields, that `DIFFERENCES` describes."""

    name: str
    version: str
    organization_names: bool
    template_queries: bool
    job_details: bool
    job_lists: bool
    evaluates_parameters: bool
    hides_deprecated: bool
    preset_ids: bool
    prebuild_fields: bool
    task_fields: bool
    sharing: bool
    limit_required: bool
    dormant_read_for_template_admins: bool
    start_wakes_dormant: bool
    start_of_deleted_conflicts: bool
    unknown_user_is_400: bool
    checks_parameters_at_build: bool
    matches_presets: bool
    keys_expire: bool
    builds_chain: bool
    newest_fields: bool


@dataclass(frozen=True)
class Difference:
    """A flag that is on from one minor version of Coder 2 on, up to (not including) another."""

    flag: str
    since: int
    until: int | None
    about: str
    source: str

    def holds(self, minor: int) -> bool:
        """Whether Coder 2.`minor` is so."""
        return self.since <= minor and (self.until is None or minor < self.until)


DIFFERENCES: Final = (
    Difference("organization_names", 14, None,
               "workspaces and templates carry their organization's name, and workspaces are queried by it",
               "coder#14474 (2024-08)"),
    Difference("template_queries", 14, None,
               "`GET /templates` takes `q`; before, it ignored it and listed everything",
               "coder#13772 (2024-07)"),
    Difference("job_details", 19, None,
               "jobs say their organization, type, input and metadata; builds say their matched provisioners",
               "recorded from 2.20; swagger of 2024-12"),
    Difference("job_lists", 20, None,
               "provisioner jobs and daemons are listed for each organization",
               "recorded from 2.20 (second recording)"),
    Difference("hides_deprecated", 23, None,
               "`GET /templates` leaves deprecated ones out unless `q` names `deprecated`",
               "coder#17747 (2025-05); recorded from 2.20: not yet"),
    Difference("preset_ids", 22, None,
               "`template_version_preset_id` in requests; before, the key was ignored",
               "[M]; the swagger of 2025-04 has it first"),
    Difference("evaluates_parameters", 24, None,
               "`POST /templateversions/{id}/dynamic-parameters/evaluate` says what a version asks for with given "
               "values, and what is wrong with them",
               "coder#18182 (2025-06); Coder's docs: dynamic parameters are new in 2.24"),
    Difference("prebuild_fields", 25, None,
               "`is_prebuild`, preset ids, `latest_app_status`, parameter flow, form types, scopes of tokens, "
               "`paginated-members`, build reasons by client: the fields of 2025",
               "coder#18826 (2025-07) and before; [M]"),
    Difference("matches_presets", 26, None,
               "without a preset's id the one that the values match is taken, and a prebuild of it is claimed",
               "coder#19279 (2025-08); `FindMatchingPresetID` in [M]"),
    Difference("task_fields", 28, 37,
               "`task_id`, `has_ai_task`, `has-ai-task` and the build reasons of tasks",
               "coder#20543 (2025-10); removed for 2.37 by coder#28788, #28789, #28790, #29085, #29086"),
    Difference("start_of_deleted_conflicts", 28, None,
               "a start or stop of a deleted workspace is 409; before, it was accepted (and refused with 403 where the "
               "workspace was dormant as well, as recorded); a deletion is accepted by all",
               "coder#20584 (2025-10); `coderd/workspacebuilds.go` in [M]"),
    Difference("sharing", 29, None,
               "`/workspaces/{id}/acl`, `shared_with` on rows, and the keys `shared`, `shared_with_user`, "
               "`shared_with_group`, `has_external_agent`, `healthy`",
               "coder#21049 (2025-12); `searchquery/search.go` in [M]"),
    Difference("start_wakes_dormant", 29, None,
               "starting a dormant workspace wakes it; before, 403",
               "coder#20925 (2025-11); recorded from 2.20: 403"),
    Difference("unknown_user_is_400", 13, 29,
               "an unknown `{user}` in a path is 400; later 404",
               "recorded from 2.20; `httpmw/userparam.go` in [M]: 404. The release between is not established"),
    Difference("checks_parameters_at_build", 29, None,
               "a start that lacks a required parameter is 400; before, it was accepted and the build failed",
               "seen on 2.20: accepted; `wsbuilder` in [M]: 400. The release between is not established"),
    Difference("keys_expire", 31, None,
               "`PUT /users/{user}/keys/{key}/expire` ends a key; before, 404",
               "the complete swagger of [M] has it; the release is not established"),
    Difference("dormant_read_for_template_admins", 32, None,
               "a template admin may open a dormant workspace by id; before, it only saw it in the list",
               "coder#23554 (2026-03)"),
    Difference("builds_chain", 36, None,
               "`on_success` in a build request starts a second build; before, the key was ignored",
               "coder#25758, #25759; vscode-coder#1115; seen on 2.20: ignored"),
    Difference("limit_required", 36, None,
               "a limit of 0 or above 1,000 is refused, an absent one means 1,000",
               "coder#28040 (2026-08), whose merge is not established: assumed, and asked by `conformance`"),
    Difference("newest_fields", 36, None,
               "`default_org_member_roles`, `is_service_account`, `allow_workspace_renames` (of a template, and on by "
               "default)",
               "[N]; the release is not established"),
)  # fmt: skip
"""Every difference that the emulator knows, with its source."""


def flavour(name: str, overrides: Mapping[str, bool] | None = None) -> Flavour:
    """The flavour of ``newest`` or of a version such as ``2.20``; `overrides` turn single flags."""
    minor = _minor(name)
    made = Flavour(name, f"v2.{minor}.0", **{each.flag: each.holds(minor) for each in DIFFERENCES})
    unknown = set(overrides or ()) - {each.flag for each in DIFFERENCES}
    if unknown:
        raise EmulatorError(f"Coder's flavours have no flag {', '.join(sorted(unknown))}")
    return replace(made, **dict(overrides or {}))  # type: ignore[arg-type]


def _minor(name: str) -> int:
    major, dot, minor = name.partition(".")
    if name == "newest":
        return NEWEST[1]
    if major != "2" or not dot or not minor.isdecimal() or not OLDEST[1] <= int(minor) <= NEWEST[1]:
        raise EmulatorError(f"unknown Coder flavour {name!r}: 2.{OLDEST[1]} to 2.{NEWEST[1]}, or newest")
    return int(minor)


def flags() -> list[str]:
    """The names of all flags."""
    return [field.name for field in fields(Flavour) if field.name not in ("name", "version")]
