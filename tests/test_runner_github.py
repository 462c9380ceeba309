"""The GitHub backend: the run's id by the environment, one process for one run, and an exit code that Port may see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina
from runner_lab import QUICK, STACK, Beats, RunnerLab, runner_lab

from coderport.errors import SettingsError
from coderport.runner.github import RUN_ID, run_id_of, run_once
from coderport.settings import Settings, load_settings


@pytest.fixture
def lab() -> Iterator[RunnerLab]:
    with stamina.set_testing(True, attempts=2), runner_lab(templates=1) as lab:
        yield lab


def settings(lab: RunnerLab) -> Settings:
    environ = {
        "CODER_API_BASE_URL": lab.pair.coder_url,
        "CODER_SESSION_TOKEN": lab.coder.token,
        "PORT_BASE_URL": lab.pair.port_url,
        "PORT_CLIENT_ID": lab.port.client_id,
        "PORT_CLIENT_SECRET": lab.port.client_secret,
    }
    return load_settings({"actions": '{"backend": "github", "repository": "acme/platform"}'}, environ)


def test_the_workflow_that_port_dispatches_carries_the_run_out(lab: RunnerLab) -> None:
    """Port hands the workflow nothing but the run's id, and ends no run that the runner has ended."""
    codes: list[int] = []
    said: list[str] = []

    def workflow(dispatch: dict[str, object]) -> int:
        inputs = dispatch["inputs"]
        assert isinstance(inputs, dict) and list(inputs) == ["run_id"]
        run_id = run_id_of(None, {RUN_ID: str(inputs["run_id"])})
        codes.append(run_once(run_id, settings(lab), STACK, said.append, patience=QUICK))
        return codes[-1]

    lab.port.on_dispatch(workflow)
    good = lab.ask("coder_create_workspace", template=lab.any_template(), name="dev")
    assert lab.port.wait_for_run(good)["status"] == "SUCCESS"
    bad = lab.ask("coder_create_workspace", template=lab.any_template(), name="dev")
    run = lab.port.wait_for_run(bad)
    lab.port.settle()
    assert (run["status"], run["statusLabel"]) == ("FAILURE", "Refused")
    assert codes == [0, 0] and "SUCCESS" in said[0] and "FAILURE" in said[1]


def test_the_link_and_the_external_id_stay_those_of_the_integration(lab: RunnerLab) -> None:
    """It ends the run by that id, also where the runner broke off: what is written over is never found again."""

    def workflow(dispatch: dict[str, object]) -> int:
        assert isinstance(dispatch["inputs"], dict)
        return run_once(str(dispatch["inputs"]["run_id"]), settings(lab), STACK, lambda text: None, patience=QUICK)

    lab.port.on_dispatch(workflow)
    run = lab.ask("coder_create_workspace", template=lab.any_template(), name="dev")
    lab.port.settle()
    link = lab.port.run(run)["link"]
    assert [each.split("/runs/")[0] for each in link] == ["https://github.com/acme/platform/actions"]
    external = f"gh_acme_platform_{link[0].split('/runs/')[1]}"
    assert [each["id"] for each in lab.port.runs(external_run_id=external)] == [run]


def test_a_workflow_that_breaks_off_after_the_runner_began_still_ends_its_run(lab: RunnerLab) -> None:
    """The runner is cut off (a cancelled job, a lost machine) when it has told of the build and its page already."""
    lab.coder.set_build_seconds(0, 60)
    run = lab.ask("coder_create_workspace", template=lab.any_template(), name="dev")
    lab.port.settle()

    class Cut(BaseException):
        pass

    def cut() -> None:
        raise Cut

    beats = Beats(then=cut, when=lambda: len(lab.coder.workspace_ids()) == 1)
    with pytest.raises(Cut):
        lab.execute(run, clock=beats.clock())
    assert lab.port.run(run)["status"] == "IN_PROGRESS"
    lab.port.finish_workflow(run, code=1)
    assert lab.port.run(run)["status"] == "FAILURE"


def test_a_run_that_is_not_ours_or_has_ended_is_told_by_the_exit_code(lab: RunnerLab) -> None:
    said: list[str] = []
    assert run_once("r_unknown", settings(lab), STACK, said.append, patience=QUICK) == 1
    run = lab.ask("coder_create_workspace", template=lab.any_template(), name="dev")
    assert [run_once(run, settings(lab), STACK, said.append, patience=QUICK) for _ in range(2)] == [0, 0]
    assert "nothing was done" in said[0] and "already" in said[2]


def test_a_run_that_cannot_be_reported_fails_the_workflow_without_a_secret_in_its_log(lab: RunnerLab) -> None:
    run = lab.ask("coder_create_workspace", template=lab.any_template(), name="dev")
    lab.port.faults.add({"path": "/v1/actions/runs", "kind": "status", "status": 500})
    said: list[str] = []
    assert run_once(run, settings(lab), STACK, said.append, patience=QUICK) == 1
    assert "could not be reported" in said[0]
    assert lab.port.client_secret not in said[0] and lab.coder.token not in said[0]
    assert lab.coder.workspace_ids() == set()


def test_the_command_line_goes_before_the_environment() -> None:
    assert run_id_of("r_1", {RUN_ID: "r_2"}) == "r_1"
    assert run_id_of(None, {RUN_ID: " r_QOz6WoOB1Q2lmhZZ\n"}) == "r_QOz6WoOB1Q2lmhZZ"


@pytest.mark.parametrize("given", ["", "r_1; rm -rf /", "$(id)", "../users", "r_1\nr_2", "{{ .run.id }}", "r" * 101])
def test_what_cannot_be_the_id_of_a_run_is_refused(given: str) -> None:
    with pytest.raises(SettingsError):
        run_id_of(None, {RUN_ID: given})
