"""Through the real engine: killed runs, a lost state, and what Port holds beside the state heal by a plain run."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killing import children, wait_for_end
from lab import Lab, laboratory

from coderport.engine import CliInfo
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE

BULK = f"/{WORKSPACE.identifier}/entities/bulk"


@pytest.fixture
def lab(tmp_path: Path, cli: CliInfo) -> Iterator[Lab]:
    with laboratory(tmp_path, cli, workspaces=50, templates=3) as lab:
        yield lab


def killed_half_way(lab: Lab, when: Callable[[], bool] = lambda: True) -> None:
    """An `up` whose engine is killed (-9) while Port answers no more to bulk writes of workspaces after the first."""
    stalled = threading.Event()
    lab.port.faults.add(kind="status", method="POST", path=BULK, status=503, after=1)
    original = lab.port.faults.strike

    def noticed(method: str, target: str) -> object:
        wait, fault = original(method, target)
        if fault is not None:
            stalled.set()
        return wait, fault

    lab.port.faults.strike = noticed  # type: ignore[method-assign, assignment]
    run = threading.Thread(target=lab.stack.up)
    run.start()
    assert stalled.wait(300), "the run never reached the writes"
    until = time.monotonic() + 150  # the run itself gives a server up after three minutes
    while not when() and time.monotonic() < until:
        threading.Event().wait(0.05)
    processes = children(os.getpid())
    engine = next(pid for pid, name in processes if name == "pulumi")
    plugins = [pid for pid, _ in children(engine)]
    os.kill(engine, signal.SIGKILL)
    run.join(300)
    assert not run.is_alive()
    wait_for_end(plugins)
    lab.port.faults.strike = original  # type: ignore[method-assign]
    lab.port.faults.clear()
    lab.stack.cancel()


def test_a_first_run_killed_half_way_is_finished_by_the_next(lab: Lab) -> None:
    killed_half_way(lab)
    assert 0 < len(lab.ids()) < 50
    lab.up()
    lab.assert_converged()


def test_a_value_that_went_back_after_a_killed_run_is_right_again(lab: Lab) -> None:
    lab.up()
    template = lab.coder.template(sorted(lab.coder.template_ids())[0])
    before = template.description
    lab.coder.set_template(template.id, description="meant for a moment")
    for identifier in sorted(lab.coder.workspace_ids()):
        if lab.coder.workspace(identifier).running:
            lab.coder.stop(identifier)

    def written() -> bool:
        return bool(lab.template(template.id)["properties"].get("description") == "meant for a moment")

    killed_half_way(lab, when=written)
    assert written()
    lab.coder.set_template(template.id, description=before)
    lab.up()
    assert lab.template(template.id)["properties"].get("description", "") == before
    lab.assert_converged()


def test_what_a_killed_run_created_and_coder_deleted_since_is_no_orphan(lab: Lab) -> None:
    lab.up()
    created = [lab.coder.create_workspace(name=f"short-lived-{number}") for number in range(25)]
    killed_half_way(lab)
    written = [identifier for identifier in created if identifier in lab.ids()]
    assert written
    for identifier in created:
        lab.coder.delete_workspace(identifier)
    preview, _ = lab.stack.preview()
    if len(written) > 10:
        assert preview.result == "refused"
        os.environ["CODERPORT_ALLOW_DELETIONS"] = str(len(written))
    try:
        lab.up()
    finally:
        os.environ.pop("CODERPORT_ALLOW_DELETIONS", None)
    lab.assert_converged()


def test_a_lost_state_is_made_anew_by_a_take_over_that_deletes_nothing(lab: Lab) -> None:
    lab.up()
    gone = sorted(lab.coder.workspace_ids())[:2]
    shutil.rmtree(lab.folder)
    for identifier in gone:
        lab.coder.delete_workspace(identifier)
    lab.stack = lab.opened()
    assert "by another state" in lab.refused().message
    lab.stack.configure({"takeOver": "true"})
    outcome, _ = lab.up()
    assert (outcome.kinds.workspace.created, outcome.kinds.workspace.deleted) == (0, 0)
    assert set(gone) <= lab.ids()
    lab.up()  # it remembers now: what Coder says was deleted goes
    lab.stack.configure({"takeOver": "false"})
    lab.up()
    lab.assert_converged()


def test_the_state_survives_a_run_that_is_refused(lab: Lab) -> None:
    lab.up()
    before = lab.stack.outputs()
    lab.stack.configure({"coderApiBaseUrl": "nonsense"})
    assert lab.stack.up()[0].exit_code == 2
    assert lab.stack.outputs() == before
    lab.stack.configure({"coderApiBaseUrl": lab.pair.coder_url})
    lab.assert_converged()


def test_templates_go_together_with_their_last_workspaces(lab: Lab) -> None:
    template = lab.coder.create_template("short-lived")
    workspace = lab.coder.create_workspace(template="short-lived", name="last")
    lab.up()
    lab.coder.delete_workspace(workspace)
    lab.coder.delete_template(template)
    outcome, _ = lab.up()
    assert (outcome.kinds.template.deleted, outcome.kinds.workspace.deleted) == (1, 1)
    assert template not in lab.ids(TEMPLATE.identifier)
    lab.assert_converged()
