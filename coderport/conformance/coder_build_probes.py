"""Probes that need `--writes`: one throwaway workspace is made, built, and deleted. They are asked in this order."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from coderport.conformance.coder_bench import NOBODY, REFUSED_ENDING, CoderBench, flagged
from coderport.conformance.probe import NotAsked, Probe

_RECORDED = "recorded from Coder 2.20"
_FOLLOWS_SECONDS: Final = 60.0


def _field(bench: CoderBench, **body: Any) -> Any:
    """The status of a creation that is refused, and the field that it is about."""
    answer = bench.create(**body)
    if answer.status != 400 or not isinstance(answer.body, dict) or not answer.body.get("validations"):
        return str(answer.status)
    return f"400 {answer.body['validations'][0]['field']}"


def _unknown_owner(bench: CoderBench) -> Any:
    bench.allow_writes()
    body = {"name": bench.name, "template_id": bench.usable[0]["id"]}
    return bench.ask("POST", f"/users/{NOBODY}/workspaces", body).status


def _wrong_value(parameters: list[Mapping[str, Any]]) -> tuple[str, str] | None:
    """A parameter and a value that it does not take."""
    for parameter in parameters:
        if parameter["options"]:
            return parameter["name"], "coderport-asks"
        if parameter["type"] == "bool":
            return parameter["name"], "perhaps"
        if parameter.get("validation_max") is not None:
            return parameter["name"], str(parameter["validation_max"] + 1)
    return None


def _refused_value(bench: CoderBench) -> Any:
    template, parameters = bench.usable
    wrong = _wrong_value(parameters)
    if wrong is None:
        raise NotAsked("the template takes any value")
    name, value = wrong
    answer = bench.create(rich_parameter_values=[{"name": name, "value": value}]).expect(400)
    if template.get("use_classic_parameter_flow", True):
        return answer.member("message") == f'Unable to validate parameter "{name}"' and bool(answer.member("detail"))
    fields = [each["field"] for each in answer.member("validations")]
    return answer.member("message") == "Unable to validate parameters" and name in fields


def _unknown_preset(bench: CoderBench) -> Any:
    """Whether a preset that is none is refused; a server that does not know presets makes the workspace."""
    if "workspace" in vars(bench) or "made" in vars(bench):
        raise NotAsked("the throwaway workspace is there already")
    answer = bench.create(template_version_preset_id=NOBODY).expect(201, 400, 404, 500)
    if answer.status != 201:
        return True
    bench.made = answer.body  # it is the throwaway workspace now
    return False


def _first_build(bench: CoderBench) -> Any:
    build = bench.made["latest_build"]
    return f"{build['transition']} {build['job']['status']} {build['resources']}"


def _matches_presets(bench: CoderBench) -> Any:
    """Whether a build whose values are a preset's says so."""
    build = bench.now()["latest_build"]
    if "template_version_preset_id" not in build:
        return False
    presets = bench.ask("GET", f"/templateversions/{build['template_version_id']}/presets").expect(200).body or []
    values = _values(bench, build)
    sets = [{each["Name"]: each["Value"] for each in preset["Parameters"] or ()} for preset in presets]
    _, parameters = bench.usable
    mutable = {parameter["name"] for parameter in parameters if parameter["mutable"]}
    for wanted in sets:
        if all(name in mutable or values.get(name) == value for name, value in wanted.items()):
            given = [{"name": name, "value": value} for name, value in wanted.items()]
            return bench.built("start", rich_parameter_values=given)["template_version_preset_id"] is not None
    raise NotAsked("the template has no preset that this workspace can be")


def _values(bench: CoderBench, build: Mapping[str, Any]) -> dict[str, str]:
    rows = bench.ask("GET", f"/workspacebuilds/{build['id']}/parameters").expect(200).body or []
    return {row["name"]: row["value"] for row in rows}


def _while_active(bench: CoderBench) -> Any:
    bench.build("stop").expect(201)
    answer = bench.build("start")
    bench.wait(bench.workspace)
    return f"{answer.status} {answer.body.get('message') if isinstance(answer.body, dict) else ''}"


def _wrong_value_at_start(bench: CoderBench) -> Any:
    """A start with a value that the version does not take, while the workspace is stopped."""
    wrong = _wrong_value([parameter for parameter in bench.usable[1] if parameter["mutable"]])
    if wrong is None:
        raise NotAsked("the template takes any value")
    given = [{"name": wrong[0], "value": wrong[1]}]
    number = bench.now()["latest_build"]["build_number"]
    refused = bench.build("start", rich_parameter_values=given).status
    return refused if bench.now()["latest_build"]["build_number"] == number else "built"


def _immutable(bench: CoderBench) -> Any:
    for parameter in bench.usable[1]:
        values = [option["value"] for option in parameter["options"]]
        had = _values(bench, bench.now()["latest_build"]).get(parameter["name"])
        other = next((value for value in values if value != had), None)
        if not parameter["mutable"] and other is not None:
            return bench.build("start", rich_parameter_values=[{"name": parameter["name"], "value": other}]).status
    raise NotAsked("the template has no choice that is fixed at creation")


def _cancelled(bench: CoderBench) -> Any:
    answer = bench.ask("PATCH", f"/workspacebuilds/{bench.now()['latest_build']['id']}/cancel")
    return f"{answer.status} {answer.body.get('message') if isinstance(answer.body, dict) else ''}"


def _put(bench: CoderBench, setting: str, body: Any) -> Any:
    return bench.ask("PUT", f"/workspaces/{bench.workspace}/{setting}", body).status


def _dormant_twice(bench: CoderBench) -> Any:
    first = _put(bench, "dormant", {"dormant": True})
    return [first, _put(bench, "dormant", {"dormant": True})]


def _wakes(bench: CoderBench) -> Any:
    """Whether a start wakes the dormant workspace; where it does not, it is woken here."""
    answer = bench.build("start").expect(201, 403)
    if answer.status == 201:
        bench.wait(bench.workspace)
        return bench.now()["dormant_at"] is None
    bench.ask("PUT", f"/workspaces/{bench.workspace}/dormant", {"dormant": False}).expect(200)
    return False


def _chained(bench: CoderBench) -> Any:
    number = bench.built("stop", on_success={"transition": "start"})["build_number"]
    # An older server ignored the key: then nothing follows, however long one waits.
    ends = time.monotonic() + (_FOLLOWS_SECONDS if bench.version >= (2, 36) else 2.0)
    while time.monotonic() < ends:
        build = bench.wait(bench.workspace)
        if build["build_number"] > number or (build["transition"], build["status"]) == ("start", "running"):
            return True
        time.sleep(0.5)
    return False


def _noted(bench: CoderBench) -> Any:
    q = f"resource_type:workspace resource_id:{bench.workspace}"
    answer = bench.ask("GET", "/audit", q=q, limit=20)
    if answer.status == 403:
        raise NotAsked("this token may not read the audit log")
    return "create" in {row["action"] for row in answer.expect(200).member("audit_logs")}


def _gone(bench: CoderBench) -> Any:
    bench.built("delete")
    return bench.ask("GET", f"/workspaces/{bench.workspace}").status


def _deleted_again(bench: CoderBench) -> Any:
    answer = bench.build("delete")
    if answer.status == 201:
        bench.wait(bench.workspace)
    return answer.status


def _start_of_deleted(bench: CoderBench) -> Any:
    if bench.version < (2, 28):
        raise NotAsked("this version might start what is deleted")
    answer = bench.build("start").expect(201, 403, 409)
    if answer.status == 201:
        bench.wait(bench.workspace)
        bench.built("delete")
    return answer.status == 409


BUILD_PROBES: tuple[Probe[CoderBench], ...] = (
    Probe("create.bad-name", "Is a name with an underscore refused, by its field?", _RECORDED, "400 name",
          lambda bench: _field(bench, name=bench.name + REFUSED_ENDING)),
    Probe("create.unknown-template", "Is an unknown template refused, by its field?", _RECORDED, "400 template_id",
          lambda bench: _field(bench, template_id=NOBODY)),
    Probe("create.short-ttl", "Is a time to live under a minute refused, by its field?", _RECORDED, "400 ttl_ms",
          lambda bench: _field(bench, ttl_ms=5)),
    Probe("create.unknown-owner", "Is an unknown owner refused?", _RECORDED,
          lambda bench: 400 if bench.version < (2, 29) else 404, _unknown_owner),
    Probe("create.refused-value", "Does a value that a parameter does not take name the parameter?", _RECORDED, True,
          _refused_value),
    flagged("create.unknown-preset", "Is a preset that is none refused?", "preset_ids", _unknown_preset),
    Probe("create.first-build", "Is the first build a start that waits, without resources?", _RECORDED,
          "start pending []", _first_build),
    Probe("create.name-taken", "Is a taken name a conflict?", _RECORDED, 409, lambda bench: bench.create().status
          if bench.workspace else 0),
    flagged("build.preset-by-values", "Does a build have the preset that its values match?", "matches_presets",
            _matches_presets),
    Probe("build.while-active", "Is a second build a conflict while one is active?", _RECORDED,
          "409 A workspace build is already active.", _while_active),
    Probe("build.bad-transition", "Is an unknown transition refused?", _RECORDED, 400,
          lambda bench: bench.build("jump").status),
    Probe("build.refused-value", "Is a start refused for a value, before anything is built?",
          "coderd/wsbuilder/wsbuilder.go", 400, _wrong_value_at_start),
    Probe("build.immutable", "Is a change of what is fixed at creation refused?", "codersdk/richparameters.go", 400,
          _immutable),
    Probe("build.cancel-ended", "Is a build that has ended not cancelled?", _RECORDED,
          "400 Job has already completed!", _cancelled),
    Probe("settings.extend-stopped", "Is the deadline of a stopped workspace not moved?", _RECORDED, 409,
          lambda bench: _put(bench, "extend", {"deadline": "2099-01-01T00:00:00Z"})),
    Probe("settings.bad-schedule", "Is a schedule that is none refused?", _RECORDED, 400,
          lambda bench: _put(bench, "autostart", {"schedule": "every day"})),
    Probe("settings.dormant-twice", "Is it 200 to make a workspace dormant, and 304 the second time?", _RECORDED,
          [200, 304], _dormant_twice),
    flagged("build.wakes-dormant", "Does a start wake a dormant workspace?", "start_wakes_dormant", _wakes),
    flagged("build.on-success", "Does a build begin what `on_success` says?", "builds_chain", _chained),
    Probe("audit.creation", "Does the audit log name the workspace's creation?", "coderd/workspaces.go", True, _noted),
    Probe("build.delete", "Is the workspace 410 once its deletion has ended?", _RECORDED, 410, _gone),
    Probe("build.delete-again", "May what is deleted be deleted again?", "coderd/workspacebuilds.go", 201,
          _deleted_again),
    flagged("build.start-of-deleted", "Is a start of what is deleted a conflict?", "start_of_deleted_conflicts",
            _start_of_deleted),
)  # fmt: skip
