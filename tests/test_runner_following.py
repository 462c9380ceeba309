"""Builds that queue, fail, are cancelled, or that nobody takes; agents that come up or do not; a Coder that is away."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import stamina
from runner_lab import Beats, RunnerLab, timed_lab

from coderport.emulators.coder.builds import cancel
from coderport.runner.execution import Ended
from coderport.settings import Actions
from coderport.transport.patience import Patience

CREATE, START, STOP = "coder_create_workspace", "coder_start_workspace", "coder_stop_workspace"
DELETE, RESTART, EXTEND = "coder_delete_workspace", "coder_restart_workspace", "coder_extend_workspace"


@pytest.fixture
def lab() -> Iterator[RunnerLab]:
    # What is repeated is repeated at once: the clients' own waiting is tested with the clients.
    with stamina.set_testing(True, attempts=2), timed_lab(templates=1) as lab:
        lab.patience = Patience()
        yield lab


def label(lab: RunnerLab, run: str) -> str:
    return str(lab.port.run(run)["statusLabel"])


def away(lab: RunnerLab, method: str = "GET", path: str = "", **fault: object) -> None:
    lab.coder.faults.add({"method": method, "path": path, "kind": "status", "status": 503, **fault})


def test_the_log_arrives_in_order_each_line_once_and_in_batches(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lines = [f"line {number}" for number in range(120)]
    lab.coder.set_build_log(*lines)
    seen = lab.do(START, entity=workspace)
    assert [line for line in seen.log.splitlines() if line.startswith("line ")] == lines
    messages = [entry["message"] for entry in lab.port.run_logs(seen.run["id"])]
    assert all(len(message.splitlines()) <= lab.patience.log_lines for message in messages)
    assert len(messages) <= 6


def test_a_build_log_is_text_and_a_token_in_colour_is_one(lab: RunnerLab) -> None:
    """A colour ends with a letter, which must not hide where the token begins."""
    secret = "aB3dE6gH9k-mN2pQ5sT8vX1zC4fH7jK0w"
    lab.coder.set_build_log(f"\x1b[32m{secret}\x1b[0m", f"_{secret}_", "a\x1b]8;;http://evil\x07b\r\u202ec\u200b\x9b")
    seen = lab.do(STOP, entity=lab.workspace())
    lab.coder.set_build_log()
    assert secret not in seen.log and "\n[token]\n_[token]_\n" in seen.log
    assert "a\\x1b]8;;http://evil\\x07b\\r\\u202ec\\u200b\\x9b" in seen.log
    assert not set(seen.log) & set("\x1b\x07\r\u202e\u200b\x9b")


def test_a_token_that_a_build_prints_stays_out_of_the_run(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    secret = "aBcDeFgHiJ-1234567890abcdefghijKL"
    lab.coder.set_build_log(f"export CODER_SESSION_TOKEN={secret}", f"token {lab.coder.token}")
    lab.coder.fail_next_builds(f"login with {secret} failed")
    seen = lab.do(START, entity=workspace)
    for hidden in (secret, lab.coder.token, lab.port.client_secret):
        assert hidden not in seen.log and hidden not in str(seen.run)
    assert "[token]" in seen.log and "[token]" in seen.summary


def test_a_build_that_is_cancelled_in_coder_is_a_failure_that_says_so(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.coder.set_provisioners(0)
    run = lab.ask(START, entity=workspace)

    def cancelled() -> None:
        with lab.coder.state.lock:
            cancel(lab.coder.state, lab.held(workspace).build)

    beats = Beats(then=cancelled, when=lambda: label(lab, run) == "Waiting for a provisioner")
    seen = lab.execute(run, clock=beats.clock())
    assert seen.ended is Ended.FAILURE and "was cancelled in Coder" in seen.summary
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_a_build_that_no_provisioner_takes_is_given_up_and_cancelled(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.coder.set_provisioners(0)
    beats = Beats()
    seen = lab.execute(lab.ask(START, entity=workspace), clock=beats.clock())
    assert seen.ended is Ended.FAILURE and "No provisioner" in seen.summary
    assert 300 <= beats.seconds < 310
    assert lab.builds(workspace)[-1] == ("start", "canceled")
    lab.assert_port_is_as_the_program_would_have_it(workspace)


def test_a_provisioner_that_comes_late_is_waited_for(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.coder.set_provisioners(0)
    run = lab.ask(START, entity=workspace)
    beats = Beats(
        then=lambda: lab.coder.set_provisioners(1), when=lambda: label(lab, run) == "Waiting for a provisioner"
    )
    assert lab.execute(run, clock=beats.clock()).ended is Ended.SUCCESS


def test_a_build_that_cannot_be_cancelled_is_said_to_stay(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.coder.set_provisioners(0)
    body = {"message": "User is not allowed to cancel workspace builds."}
    away(lab, "PATCH", "/cancel", status=403, body=body, headers={"content-type": "application/json"})
    seen = lab.execute(lab.ask(START, entity=workspace), clock=Beats().clock())
    assert seen.ended is Ended.FAILURE and "could not be cancelled" in seen.summary
    assert lab.builds(workspace)[-1] == ("start", "pending")


def test_a_build_that_waits_its_turn_is_queued_and_one_that_takes_too_long_is_left_running(lab: RunnerLab) -> None:
    first, second = lab.workspace(running=False), lab.workspace("bob", running=False)
    lab.coder.set_provisioners(1)
    lab.coder.set_build_seconds(0, 3600)
    runs = [lab.ask(START, entity=first), lab.ask(START, by="bob@example.com", entity=second)]
    lab.patience, shown = Patience(build=120), list[str]()
    for run in runs:
        looked = Beats(at={2: partial(lambda each: shown.append(label(lab, each)), run)})
        seen = lab.execute(run, clock=looked.clock())
        assert seen.ended is Ended.FAILURE and "has not ended after 2 minutes" in seen.summary
    assert shown == ["Starting", "Queued (1 of 1)"]
    assert (lab.builds(first)[-1], lab.builds(second)[-1]) == (("start", "running"), ("start", "pending"))


# ---------------------------------------------------------------- agents


def test_a_start_waits_until_the_agents_are_ready(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.coder.set_agents(30)
    run = lab.ask(START, entity=workspace)
    told: list[str] = []
    waited = Beats(then=lambda: told.append(run), when=lambda: label(lab, run) == "Waiting for the agent")
    assert lab.execute(run, clock=waited.clock()).ended is Ended.SUCCESS
    assert lab.build(workspace).agents == "ready"
    assert told == [run] and waited.seconds >= 30


@pytest.mark.parametrize("end", ["start_error", "start_timeout", "timeout"])
def test_an_agent_that_fails_fails_the_run_and_says_which(lab: RunnerLab, end: str) -> None:
    lab.coder.set_agents(0, end)
    seen = lab.do(CREATE, template=lab.any_template(), name="dev")
    assert seen.ended is Ended.FAILURE
    assert "main" in seen.summary and "did not become ready" in seen.summary
    lab.assert_port_is_as_the_program_would_have_it(lab.held("alice/dev").id)


def test_an_agent_that_never_comes_up_is_given_up(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.coder.set_agents(0.01, "starting")
    beats = Beats()
    seen = lab.execute(lab.ask(START, entity=workspace), clock=beats.clock())
    assert seen.ended is Ended.FAILURE and "within 10 minutes" in seen.summary
    assert 600 <= beats.seconds < 620


def test_agents_are_nobodys_concern_where_the_setting_says_so(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    lab.settings = Actions(**{**lab.settings.model_dump(), "wait_for_agent": False})
    lab.coder.set_agents(0, "start_error")
    assert lab.do(START, entity=workspace).ended is Ended.SUCCESS


# ---------------------------------------------------------------- a Coder that is away


def test_a_coder_that_is_away_for_a_minute_is_waited_for_and_the_log_says_so(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    run = lab.ask(START, entity=workspace)
    beats = Beats(at={1: lambda: away(lab), 25: lab.coder.faults.clear})
    seen = lab.execute(run, clock=beats.clock())
    assert seen.ended is Ended.SUCCESS, seen.summary
    assert "Coder does not answer" in seen.log and "Coder answers again." in seen.log
    assert beats.seconds > 60 and lab.builds(workspace)[-1] == ("start", "succeeded")


@pytest.mark.parametrize("kind", ["drop_connection", "html", "redirect", "cut"])
def test_whatever_a_gateway_answers_meanwhile_is_outlasted(lab: RunnerLab, kind: str) -> None:
    workspace = lab.workspace(running=False)
    run = lab.ask(START, entity=workspace)
    beats = Beats(at={1: lambda: away(lab, kind=kind), 6: lab.coder.faults.clear})
    assert lab.execute(run, clock=beats.clock()).ended is Ended.SUCCESS


def test_a_coder_that_stays_away_fails_the_run_within_the_budget(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    run = lab.ask(START, entity=workspace)
    beats = Beats(at={1: lambda: away(lab)})
    seen = lab.execute(run, clock=beats.clock())
    assert seen.ended is Ended.FAILURE and "Coder has not answered for 5 minutes" in seen.summary
    assert "could not be refreshed" in seen.summary
    assert 300 <= beats.seconds < 320


def test_a_coder_that_is_away_from_the_beginning_is_waited_for_too(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    away(lab)
    beats = Beats(at={4: lab.coder.faults.clear})
    assert lab.execute(lab.ask(STOP, entity=workspace), clock=beats.clock()).ended is Ended.SUCCESS


# ---------------------------------------------------------------- what is going on already


@pytest.mark.parametrize("action", [STOP, RESTART, DELETE, EXTEND, "coder_update_workspace"])
def test_an_active_build_is_named_and_nothing_is_done(lab: RunnerLab, action: str) -> None:
    workspace = lab.workspace()
    lab.coder.promote_version(lab.held(workspace).template_id)
    given: dict[str, dict[str, Any]] = {DELETE: {"confirmation": "dev"}, EXTEND: {"hours": 5}}
    inputs = given.get(action, {})
    run = lab.ask_past_the_form(action, entity=workspace, **inputs)
    lab.coder.set_provisioners(0)
    first = lab.ask_past_the_form(STOP, entity=workspace)
    lab.patience = Patience(build=1)
    lab.execute(first, clock=Beats().clock())
    before = lab.builds(workspace)
    seen = lab.execute(run)
    assert before[-1] == ("stop", "pending") and lab.builds(workspace) == before
    assert seen.ended is Ended.FAILURE and "Build 2 of this workspace (stop, pending, begun by admin)" in seen.summary


def test_a_start_follows_somebodys_start(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    runs = [lab.ask(START, entity=workspace) for _ in range(2)]
    lab.coder.set_provisioners(0)
    lab.patience = Patience(build=1)
    assert lab.execute(runs[0], clock=Beats().clock()).ended is Ended.FAILURE
    lab.patience = Patience()
    beats = Beats(at={1: lambda: lab.coder.set_provisioners(1)})
    seen = lab.execute(runs[1], clock=beats.clock())
    assert seen.ended is Ended.SUCCESS and "following it" in seen.log
    assert [transition for transition, _ in lab.builds(workspace)] == ["start", "stop", "start"]


def test_a_start_with_other_parameters_does_not_pass_for_somebodys_start(lab: RunnerLab) -> None:
    workspace = lab.workspace(running=False)
    runs = [lab.ask(START, entity=workspace), lab.ask(START, entity=workspace, parameters={"cpu": 8})]
    lab.coder.set_provisioners(0)
    lab.patience = Patience(build=1)
    lab.execute(runs[0], clock=Beats().clock())
    seen = lab.execute(runs[1])
    assert seen.ended is Ended.FAILURE and "still active" in seen.summary


def test_a_build_that_got_in_between_is_told_in_coders_words(lab: RunnerLab) -> None:
    workspace = lab.workspace()
    away(
        lab, "POST", "/builds$", status=409, times=1,
        body={"message": "A workspace build is already active."}, headers={"content-type": "application/json"},
    )  # fmt: skip
    seen = lab.do(STOP, entity=workspace)
    assert seen.ended is Ended.FAILURE and "A workspace build is already active." in seen.summary
