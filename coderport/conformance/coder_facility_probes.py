"""Probes of what Coder has beside templates, workspaces and people."""

from __future__ import annotations

from typing import Any

from coderport.conformance.coder_bench import NOBODY, CoderBench, flagged
from coderport.conformance.probe import NotAsked, Probe


def _version_by_id(bench: CoderBench) -> Any:
    version = bench.templates[0]["active_version_id"]
    row = bench.ask("GET", f"/templateversions/{version}").expect(200).body
    return {"id", "name", "template_id", "organization_id", "message", "archived", "created_by", "job"} <= set(row)


def _says_prebuilt(bench: CoderBench) -> Any:
    for template in bench.templates:
        path = f"/templateversions/{template['active_version_id']}/presets"
        if rows := bench.ask("GET", path).expect(200).body:
            return all("DesiredPrebuildInstances" in row for row in rows)
    raise NotAsked("no template has a preset")


def _daemons(bench: CoderBench, **query: Any) -> list[Any]:
    default = next((each for each in bench.organizations if each.get("is_default")), bench.organizations[0])
    answer = bench.ask("GET", f"/organizations/{default['id']}/provisionerdaemons", **query)
    if answer.status == 404:
        raise NotAsked("this token may not list provisioners")
    return list(answer.expect(200).body or ())


def _all_daemons(bench: CoderBench) -> Any:
    every = {row["id"] for row in _daemons(bench, limit=0)}
    if not every:
        raise NotAsked("the default organization has no provisioner")
    return {row["id"] for row in _daemons(bench, limit=1)} <= every and len(every) >= len(_daemons(bench))


def _daemons_keep_their_age(bench: CoderBench) -> Any:
    ages = [{row["id"]: row["created_at"] for row in _daemons(bench, limit=0)} for _ in range(2)]
    return all(ages[1].get(key, age) == age for key, age in ages[0].items())


def _proxies(bench: CoderBench) -> list[Any]:
    answer = bench.ask("GET", "/workspaceproxies")
    if answer.status != 200:
        raise NotAsked("there is no licence for workspace proxies")
    return list(answer.member("regions"))


def _server_is_a_proxy(bench: CoderBench) -> Any:
    deployment = bench.ask("GET", "/buildinfo").expect(200).member("deployment_id")
    return any(row["id"] == deployment and row["status"]["status"] == "ok" for row in _proxies(bench))


def _unknown_proxy(bench: CoderBench) -> Any:
    _proxies(bench)
    return bench.ask("GET", f"/workspaceproxies/{NOBODY}").status


def _licence_ends(bench: CoderBench) -> Any:
    answer = bench.ask("GET", "/licenses")
    if answer.status != 200 or not answer.body:
        raise NotAsked("this token reads no licence")
    return all(isinstance(row["claims"].get("license_expires"), int) and row["uuid"] for row in answer.body)


def _counts_users(bench: CoderBench) -> Any:
    features = bench.ask("GET", "/entitlements").expect(200).member("features")
    return isinstance(features["user_limit"].get("actual"), int)


_PROXY = "enterprise/coderd/workspaceproxy.go"

FACILITY_PROBES: tuple[Probe[CoderBench], ...] = (
    Probe("versions.by-id", "Does a version say its template, its author, its import and whether it is archived?",
          "Coder's API reference (templates)", True, _version_by_id),
    Probe("versions.unknown", "Is a version that never was 404?", "httpmw/templateversionparam.go", 404,
          lambda bench: bench.ask("GET", f"/templateversions/{NOBODY}").status),
    flagged("presets.prebuilt", "Do presets say how many of each are prebuilt?", "prebuild_fields", _says_prebuilt),
    Probe("provisioners.all", "Does a limit of 0 list all provisioners?", "coderd/provisionerdaemons.go", True,
          _all_daemons),
    Probe("provisioners.age", "Do provisioners keep the time at which they came?", "queries/provisionerdaemons.sql",
          True, _daemons_keep_their_age),
    Probe("proxies.server", "Is the server itself among the workspace proxies, by the deployment's id?", _PROXY, True,
          _server_is_a_proxy),
    Probe("proxies.unknown", "Is a workspace proxy that never was 404?", _PROXY, 404, _unknown_proxy),
    Probe("licences.end", "Do licences say when they end, in seconds?", "enterprise/coderd/licenses.go", True,
          _licence_ends),
    Probe("licences.users", "Do the entitlements count the users?", "recorded from Coder 2.20 (second recording)", True,
          _counts_users),
)  # fmt: skip
