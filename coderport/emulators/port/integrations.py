"""Integrations of the organization, and the one for GitHub at work: what Ocean's `github-ocean` does with a run.

It dispatches the workflow on the repository's default branch, then writes `link` and `externalRunId` to the run
(`update_run_started` in port-labs/ocean), and when the workflow ends it looks for the run of that external id and ends
it, if the run is in progress and the action asks for it by `reportWorkflowStatus: true`
(`dispatch_workflow_webhook_processor.py`). An external id that somebody wrote over is therefore never found again.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from coderport.emulators.port import runs
from coderport.emulators.port.http import Call, answer
from coderport.emulators.port.kept import held
from coderport.emulators.port.records import Json
from coderport.emulators.port.runs import Run, RunFilter
from coderport.emulators.port.shapes import one_of
from coderport.emulators.port.store import Store

GITHUB: Final = "github-ocean"
_OCEAN: Final = "ocean"


def integration(
    store: Store, installation_id: str, kind: str, *, processes_actions: bool, hears_events: bool | None
) -> Json:
    """An integration as Port answers it, by what Ocean sends when it registers itself and reads back.

    Port knows of `hears_events` for those that it hosts itself (`spec.appSpec`); None is one that is self-hosted.
    """
    now = store.now()
    body: Json = {
        "identifier": installation_id,
        "installationId": installation_id,
        "installationAppType": kind,
        "title": installation_id,
        "version": "1.0.0",
        "config": {},
        "changelogDestination": {},
        "actionsProcessingEnabled": processes_actions,
        "createdAt": now,
        "updatedAt": now,
    }
    if hears_events is not None:
        switches = {"liveEventsEnabled": hears_events, "actionsProcessingEnabled": processes_actions}
        body["spec"] = {"appSpec": switches}
    return body


def read_integrations(call: Call) -> Response:
    rows = list(call.store.integrations.values())
    if "actionsProcessingEnabled" in call.query:
        wanted = call.flag("actionsProcessingEnabled")
        rows = [each for each in rows if each["actionsProcessingEnabled"] is wanted]
    return answer(integrations=rows)


def read_integration(call: Call) -> Response:
    """By the installation id; ids of log ingestion are not kept here, so looking by those finds nothing."""
    by = one_of(call.query.get("byField", "installationId"), {"installationId", "logIngestId"}, "querystring.byField")
    known = call.store.integrations if by == "installationId" else {}
    return answer(integration=held("Integration", known, call.names["integration"]))


def takes(store: Store, payload: Json) -> bool:
    """Whether the integration that the payload names carries it out; otherwise the run waits to be claimed."""
    found = store.integrations.get(str(payload.get("installationId")))
    return found is not None and found["installationAppType"] == GITHUB and found["actionsProcessingEnabled"] is True


def begun(store: Store, run: Run, dispatch: Json) -> None:
    """The workflow was dispatched: the run gets the workflow run's page as its link and its id as the external one."""
    number = 10_000_000_000 + len(store.workflow_runs) + 1
    external = f"gh_{dispatch['org']}_{dispatch['repo']}_{number}"
    store.workflow_runs[run.id] = external
    if run.ended:
        return
    page = f"https://github.com/{dispatch['org']}/{dispatch['repo']}/actions/runs/{number}"
    runs.patch(store, run, {"link": page, "externalRunId": external}, _OCEAN)


def completed(store: Store, run_id: str, code: int) -> None:
    """The workflow of that run has ended with that exit code, and the integration is told so by GitHub."""
    external = store.workflow_runs[run_id]
    for run in RunFilter(external_run_id=external).matching(store):
        payload = run.payload or {}
        where = store.integrations.get(str(payload.get("installationId")), {})
        hears = where.get("spec", {}).get("appSpec", {}).get("liveEventsEnabled", True)
        reports = payload.get("integrationActionExecutionProperties", {}).get("reportWorkflowStatus", False) is True
        if hears and reports and run.status == runs.IN_PROGRESS:
            runs.end(store, run, "SUCCESS" if code == 0 else "FAILURE", _OCEAN)
        return
