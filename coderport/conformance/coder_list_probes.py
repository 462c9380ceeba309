"""Probes of Coder's lists of workspaces and templates, on which a whole read and every deletion rest."""

from __future__ import annotations

from typing import Any

from coderport.conformance.coder_bench import NOBODY, CoderBench, flagged
from coderport.conformance.probe import NotAsked, Probe, Unexpected

_RECORDED = "recorded from Coder 2.20"
_FIELDS = (
    "id", "owner_id", "owner_name", "organization_id", "template_id", "template_active_version_id", "name",
    "latest_build", "outdated", "created_at", "last_used_at", "dormant_at", "health", "automatic_updates",
)  # fmt: skip
_BUILD_FIELDS = (
    "id", "build_number", "transition", "status", "template_version_id", "initiator_id", "job", "resources", "deadline",
)  # fmt: skip


def _count_past_the_end(bench: CoderBench) -> Any:
    count = bench.page.member("count")
    past = bench.ask("GET", "/workspaces", limit=1, offset=count + 10).expect(200)
    return past.member("workspaces") == [] and past.member("count") == count


def _all_at_once(bench: CoderBench) -> Any:
    page = bench.ask("GET", "/workspaces", limit=1000).expect(200)
    if page.member("count") > 1000:
        raise NotAsked("there are more than a thousand workspaces")
    ids = [row["id"] for row in page.member("workspaces")]
    return len(ids) == len(set(ids)) == page.member("count")


def _bounded(bench: CoderBench) -> Any:
    zero = bench.ask("GET", "/workspaces", limit=0, q=f"id:{NOBODY}")
    above = bench.ask("GET", "/workspaces", limit=1001, q=f"id:{NOBODY}")
    if zero.status != above.status:
        raise Unexpected(f"a limit of 0 is {zero.status} and one of 1001 is {above.status}")
    return zero.expect(200, 400).status == 400


def _refused(bench: CoderBench, **query: Any) -> Any:
    """The status and the field that it is about."""
    answer = bench.ask("GET", "/workspaces", **query)
    if answer.status != 400:
        return str(answer.status)
    return f"400 {answer.member('validations')[0]['field']}"


def _by_ids(bench: CoderBench) -> Any:
    known = bench.rows[0]["id"]
    found = bench.ask("GET", "/workspaces", q=f"id:{known},{NOBODY}", limit=10).expect(200)
    return found.member("count") == 1 and [row["id"] for row in found.member("workspaces")] == [known]


def _in_order(bench: CoderBench) -> Any:
    """Running ones first, then by owner and name; the token's user's favourites stand before all."""

    def place(row: Any) -> tuple[bool, bool, str, str]:
        build = row["latest_build"]
        running = build["transition"] == "start" and build["job"]["status"] == "succeeded"
        return not row.get("favorite", False), not running, row["owner_name"].lower(), row["name"].lower()

    places = [place(row) for row in bench.rows]
    return places == sorted(places)


def _never_deleted(bench: CoderBench) -> Any:
    return all(row["latest_build"]["status"] != "deleted" for row in bench.rows)


def _deleted_is_not_listed(bench: CoderBench) -> Any:
    found = bench.ask("GET", "/workspaces", q=f"id:{bench.deleted}", limit=1).expect(200)
    return found.member("count") == 0 and found.member("workspaces") == []


def _lacking(bench: CoderBench) -> Any:
    row = bench.rows[0]
    return [key for key in _FIELDS if key not in row] + [
        f"latest_build.{key}" for key in _BUILD_FIELDS if key not in row["latest_build"]
    ]


def _takes(bench: CoderBench, q: str) -> bool:
    return bench.ask("GET", "/workspaces", q=q, limit=1).expect(200, 400).status == 200


def _unchecked_agents(bench: CoderBench) -> Any:
    found = bench.ask("GET", "/workspaces", q="has-agent:coderport-asks", limit=1).expect(200)
    return bool(found.member("count") == 0)


def _job_details(bench: CoderBench) -> Any:
    return "type" in bench.rows[0]["latest_build"]["job"]


def _prebuild_fields(bench: CoderBench) -> Any:
    return "is_prebuild" in bench.rows[0]


# ---------------------------------------------------------------- templates


def _templates_at_once(bench: CoderBench) -> Any:
    some = bench.ask("GET", "/templates", limit=1).expect(200)
    return len(some.body) == len(bench.templates)


def _template_queries(bench: CoderBench) -> Any:
    return bench.ask("GET", "/templates", q="coderport:asks").expect(200, 400).status == 400


def _hides_deprecated(bench: CoderBench) -> Any:
    if not _template_queries(bench):
        raise NotAsked("its templates take no queries")
    hidden = {template["id"] for template in bench.ask("GET", "/templates", q="deprecated:true").expect(200).body}
    if not hidden:
        raise NotAsked("there is no deprecated template")
    return not hidden & {template["id"] for template in bench.templates}


def _deleted_templates(bench: CoderBench) -> Any:
    if not _template_queries(bench):
        raise NotAsked("its templates take no queries")
    deleted = bench.ask("GET", "/templates", q="deleted:true").expect(200).body
    if not deleted:
        raise NotAsked("no template was ever deleted")
    return bench.ask("GET", f"/templates/{deleted[0]['id']}").status


def _presets_shape(bench: CoderBench) -> Any:
    """What a version without presets has, or the keys of one that has some."""
    body = bench.ask("GET", f"/templateversions/{bench.templates[0]['active_version_id']}/presets").expect(200).body
    return body is None or (isinstance(body, list) and all({"ID", "Name", "Parameters"} <= set(each) for each in body))


def _parameters_shape(bench: CoderBench) -> Any:
    for template in bench.templates[:5]:
        rows = bench.ask("GET", f"/templateversions/{template['active_version_id']}/rich-parameters").expect(200).body
        if rows:
            needed = {"name", "type", "mutable", "default_value", "options", "required", "ephemeral"}
            return all(needed <= set(row) and isinstance(row["default_value"], str) for row in rows)
    raise NotAsked("none of the first templates has a parameter")


def _evaluates(bench: CoderBench) -> Any:
    for template in bench.templates[:1]:
        path = f"/templateversions/{template['active_version_id']}/dynamic-parameters/evaluate"
        return bench.ask("POST", path, {"id": 0, "inputs": {}}).status == 200
    raise NotAsked("there is no template")


LIST_PROBES: tuple[Probe[CoderBench], ...] = (
    Probe("workspaces.count-past-the-end", "Is a page past the end empty, with the count whole?", _RECORDED, True,
          _count_past_the_end),
    Probe("workspaces.count", "Is the count the number of workspaces that one page shows?",
          "workspaces_test.go, TestOffsetLimit", True, _all_at_once),
    flagged("workspaces.limit-bounded", "Are limits of 0 and of more than 1,000 refused?", "limit_required", _bounded,
            is_open=True),
    Probe("workspaces.limit-negative", "Is a negative limit refused, by its name?", _RECORDED, "400 limit",
          lambda bench: _refused(bench, limit=-1)),
    Probe("workspaces.limit-text", "Is a limit that is no number refused, by its name?", _RECORDED, "400 limit",
          lambda bench: _refused(bench, limit="x")),
    Probe("workspaces.unknown-key", "Is a search by an unknown key refused, by its name?", _RECORDED, "400 coderport",
          lambda bench: _refused(bench, q="coderport:asks", limit=1)),
    Probe("workspaces.deleted-key", "Can deleted workspaces not be searched for?", _RECORDED, "400 deleted",
          lambda bench: _refused(bench, q="deleted:true", limit=1)),
    Probe("workspaces.by-ids", "Are workspaces found by a list of ids, and unknown ids left out?", _RECORDED, True,
          _by_ids),
    Probe("workspaces.order", "Is the order running first, then owner, then name?", "queries/workspaces.sql", True,
          _in_order),
    Probe("workspaces.none-deleted", "Is no deleted workspace in the list?", "queries/workspaces.sql", True,
          _never_deleted),
    Probe("workspaces.deleted-by-id", "Is a deleted workspace not found by its id in the list?", _RECORDED, True,
          _deleted_is_not_listed),
    Probe("workspaces.fields", "Which of the fields that are read does a row lack?", _RECORDED, [], _lacking),
    flagged("workspaces.organization-key", "Are workspaces searched for by organization?", "organization_names",
            lambda bench: _takes(bench, f"organization:{bench.organizations[0]['id']}")),
    flagged("workspaces.job-details", "Do jobs of builds say what they are?", "job_details", _job_details),
    flagged("workspaces.prebuild-fields", "Does a row say whether the workspace is an unclaimed prebuild?",
            "prebuild_fields", _prebuild_fields),
    flagged("workspaces.sharing-keys", "Are workspaces searched for by being shared?", "sharing",
            lambda bench: _takes(bench, "shared:true")),
    flagged("workspaces.task-key", "Are workspaces searched for by having a task?", "task_fields",
            lambda bench: _takes(bench, "has-ai-task:true")),
    Probe("workspaces.agent-key", "Does a search by an unknown state of agents find nothing, without an error?",
          "queries/workspaces.sql, searchquery/search.go", True, _unchecked_agents),
    Probe("templates.no-pages", "Are all templates listed whatever the limit?", "coderd/templates.go", True,
          _templates_at_once),
    flagged("templates.queries", "Are templates searched for, and unknown keys refused?", "template_queries",
            _template_queries),
    flagged("templates.deprecated", "Are deprecated templates left out of the plain list?", "hides_deprecated",
            _hides_deprecated),
    Probe("templates.deleted", "Is a template of the list of deleted ones 404 by its id?", _RECORDED, 404,
          _deleted_templates),
    Probe("templates.presets", "Are presets null or rows with capital keys?", _RECORDED, True, _presets_shape),
    Probe("templates.parameters", "Do parameters have the fields that forms are made of, with defaults as text?",
          _RECORDED, True, _parameters_shape),
    flagged("templates.evaluate", "Are parameters evaluated for given values?", "evaluates_parameters", _evaluates),
)  # fmt: skip
