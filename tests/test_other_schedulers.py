"""The examples for GitLab and cron: every command is one that there is, and the script for cron does what it says."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from checkout import ROOT, Checkout
from killing import children
from typed import command_lines, understood

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.settings import RELEASES

sys.path.insert(0, str(ROOT / "scripts"))

import gitlab_comment

GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "gitlab-ci.yml").read_text())
CRON = ROOT / "deploy" / "cron" / "coderport-sync"
Json = dict[str, Any]


def job(name: str) -> Json:
    """A job with what it extends, as GitLab merges them: mappings by key, lists as a whole."""
    own: Json = GITLAB[name]
    above = job(own["extends"]) if "extends" in own else {}
    merged = {**above, **own}
    for key in ("variables", "environment", "cache"):
        if key in above and key in own:
            merged[key] = {**above[key], **own[key]}
    return merged


def test_the_jobs_run_commands_that_there_are() -> None:
    found = {
        name: [understood(each) for each in command_lines("\n".join(job(name)["script"]))]
        for name in ("preview", "up", "sync")
    }
    assert [[command for command, _ in each] for each in found.values()] == [["preview"], ["up"], ["sync"]]
    assert all(parameters["stack"] == "$STACK" for [(_, parameters)] in found.values())
    for name in found:
        assert [understood(each)[0] for each in command_lines("\n".join(job(name)["before_script"]))] == ["engine"]


def test_each_kind_of_pipeline_has_one_job_and_forks_have_none() -> None:
    when = {name: job(name)["rules"][0]["if"] for name in ("preview", "up", "sync")}
    kinds = {name: re.findall(r'\$CI_PIPELINE_SOURCE == "(\w+)"', text) for name, text in when.items()}
    assert kinds == {"preview": ["merge_request_event"], "up": ["push", "web"], "sync": ["schedule"]}
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in when["preview"]
    writes = [each["if"] for each in GITLAB["workflow"]["rules"] if "merge_request_event" not in each["if"]]
    assert len(writes) == 3 and all("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in each for each in writes)


@pytest.mark.parametrize("name", ["up", "sync"])
def test_a_run_that_writes_meets_no_other_and_ends_in_order_before_it_would_be_killed(name: str) -> None:
    found = job(name)
    assert (found["interruptible"], found["resource_group"]) == (False, "coderport-$STACK")
    assert found["environment"]["name"] == "$STACK" and job("preview")["environment"]["name"] == "$STACK-preview"
    [line] = found["script"]
    limits = re.match(r"timeout --signal=TERM --kill-after=(\d+)s (\d+)m ", line)
    assert limits is not None and found["timeout"] == "2h"
    assert int(limits[2]) * 60 + int(limits[1]) < 7200
    assert found["artifacts"]["paths"] == [understood(next(command_lines(line)))[1]["summary"].name]


def test_a_release_by_hand_is_a_variable_that_the_command_reads() -> None:
    text = (ROOT / "deploy" / "gitlab-ci.yml").read_text()
    assert set(re.findall(r"CODERPORT_(?:ALLOW|FORGET)\w+", text)) == set(RELEASES.values())


def test_the_files_that_the_jobs_name_are_there() -> None:
    text = (ROOT / "deploy" / "gitlab-ci.yml").read_text()
    for file in re.findall(r"\bscripts/\w+(?:\.py)?", text):
        assert (ROOT / file).is_file(), file
    assert not re.search(r"(TOKEN|SECRET|PASSPHRASE): ", text)


class GitLab:
    """The four requests that a comment needs. `notes` is what the merge request has, oldest first; two on a page."""

    def __init__(self, notes: list[Json], *, refuses: int = 0) -> None:
        self.notes, self.refuses = notes, refuses
        self.writes: list[tuple[str, str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["private-token"] == "glpat-secret"
        path = request.url.path.removeprefix("/api/v4/")
        if path == "user":
            return httpx.Response(200, json={"id": 5})
        if request.method == "GET":
            page = int(request.url.params["page"])
            more = str(page + 1) if len(self.notes) > 2 * page else ""
            return httpx.Response(200, json=self.notes[2 * page - 2 : 2 * page], headers={"x-next-page": more})
        self.writes.append((request.method, path, json.loads(request.content)["body"]))
        return httpx.Response(self.refuses or 200, json={"id": 1})

    def post(self, text: str = "text") -> str:
        with httpx.Client(
            base_url="https://gitlab.test/api/v4",
            headers={"PRIVATE-TOKEN": "glpat-secret"},
            transport=httpx.MockTransport(self),
        ) as client:
            return gitlab_comment.post(client, "projects/7/merge_requests/3/notes", "prod", text)


def note(number: int, author: int, body: str, *, system: bool = False) -> Json:
    return {"id": number, "author": {"id": author}, "body": body, "system": system}


MARKER = "<!-- coderport preview prod -->"


def test_the_first_comment_is_posted_whoever_else_wrote_our_marker() -> None:
    gitlab = GitLab(
        [note(1, 9, f"{MARKER}\nmine"), note(2, 5, "other"), note(3, 5, "<!-- coderport preview test -->\nx")]
    )
    assert gitlab.post() == "posted"
    assert gitlab.writes == [("POST", "projects/7/merge_requests/3/notes", f"{MARKER}\ntext")]


def test_a_later_comment_updates_the_first_on_whichever_page_it_is() -> None:
    gitlab = GitLab([note(each, 9, "talk") for each in range(4)] + [note(42, 5, f"{MARKER}\nold")])
    assert gitlab.post() == "updated"
    assert gitlab.writes == [("PUT", "projects/7/merge_requests/3/notes/42", f"{MARKER}\ntext")]


def test_a_token_that_may_not_comment_is_said_without_the_token() -> None:
    with pytest.raises(SystemExit) as ended:
        GitLab([], refuses=403).post()
    assert "403" in str(ended.value) and "scope `api`" in str(ended.value) and "glpat" not in str(ended.value)


def test_without_a_token_there_is_no_comment_and_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gitlab_comment.main("prod", tmp_path / "gone", {})
    assert "GITLAB_COMMENT_TOKEN" in capsys.readouterr().out


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[Cron]:
    yield Cron(tmp_path)


class Cron:
    """The script for cron in front of a Python that does what it is told."""

    def __init__(self, folder: Path) -> None:
        self.home, self.state, self.calls = folder / "a home", folder / "state", folder / "calls"
        (self.home / ".venv" / "bin").mkdir(parents=True)
        self.state.mkdir()
        self.python("exit 0")

    def python(self, body: str) -> None:
        file = self.home / ".venv" / "bin" / "python"
        file.write_text(f'#!/bin/sh\nprintf "%s\\n" "$PWD" "$@" >>"{self.calls}"\n{body}\n')
        file.chmod(0o755)

    def started(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        given = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "CODERPORT_HOME": str(self.home),
            "CODERPORT_STATE": str(self.state),
        }
        return subprocess.Popen(
            [CRON, *arguments],
            env={**given, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.started(*arguments, **environment) as run:
            stdout, stderr = run.communicate(timeout=300)
        return subprocess.CompletedProcess(run.args, run.returncode, stdout, stderr)


def test_a_run_of_cron_says_nothing_and_is_a_command_that_there_is(cron: Cron) -> None:
    cron.python("echo done")
    done = cron.run("prod", "--allow-deletions", "3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    where, _, _, *words = cron.calls.read_text().splitlines()
    assert where == str(cron.home) and (cron.state / "prod.log").read_text() == "done\n"
    command, parameters = understood(words)
    assert (command, parameters["stack"], parameters["allow_deletions"]) == ("sync", "prod", 3)


def test_a_run_that_fails_says_its_code_and_its_output(cron: Cron) -> None:
    cron.python("echo out; echo refused >&2; exit 3")
    done = cron.run("prod")
    assert done.returncode == 3 and "ended with 3:\nout\nrefused" in done.stderr


def test_beside_a_run_that_goes_on_cron_starts_none(cron: Cron) -> None:
    with (cron.state / "prod.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cron.run("prod").returncode == 0 and not cron.calls.exists()
        assert cron.run("other").returncode == 0 and cron.calls.exists()


def test_a_run_that_takes_too_long_is_told_to_end_in_order(cron: Cron) -> None:
    """SIGTERM, upon which a run gives its lock back; no SIGKILL comes while it does."""
    started = cron.state / "started"
    cron.python(f'trap "echo in order; exit 143" TERM\n: >"{started}"\nwhile :; do sleep 0.05; done')
    with cron.started("prod", CODERPORT_LONGEST="1h") as run:
        while not started.exists():
            assert run.poll() is None
            time.sleep(0.02)
        # What `timeout` hears when the time is over, as soon as the run listens.
        [waiting] = [pid for pid, name in children(run.pid) if name == "timeout"]
        os.kill(waiting, signal.SIGALRM)
        said = run.communicate(timeout=300)[1]
    assert run.returncode in (124, 128 + signal.SIGTERM) and "in order" in said


@pytest.mark.parametrize("name", ["acme/prod", "acme/coderport/prod", "other/prod"])
def test_each_stack_of_an_organization_has_a_lock_and_a_log_of_its_own(cron: Cron, name: str) -> None:
    cron.python("echo of this one")
    with (cron.state / "prod.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cron.run(name).returncode == 0
    [log] = cron.state.glob("*.log")
    assert log.name == f"{name.replace('/', '@')}.log" and log.read_text() == "of this one\n"
    assert understood(cron.calls.read_text().splitlines()[3:])[1]["stack"] == name
    with log.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        cron.calls.unlink()
        assert cron.run(name).returncode == 0 and not cron.calls.exists()


@pytest.mark.parametrize("name", ["../x", "../../x", "a b", "$(id)", ".."])
def test_what_is_no_name_of_a_stack_is_told_by_the_command_and_no_file_is_elsewhere(cron: Cron, name: str) -> None:
    before = {*cron.state.parent.iterdir()}
    cron.python("echo is no name of a stack; exit 2")
    done = cron.run(name)
    assert done.returncode == 2 and "is no name of a stack" in done.stderr
    assert cron.calls.read_text().splitlines()[4:6] == ["--stack", name]
    assert {*cron.state.parent.iterdir()} == before | {cron.calls} and [*cron.state.iterdir()]


def test_the_line_of_cron_runs_the_script_for_a_stack() -> None:
    lines = [each for each in (ROOT / "deploy/cron/crontab").read_text().splitlines() if each and each[0] not in "#SPM"]
    [found] = [re.fullmatch(r"(\S+ \S+ \S+ \S+ \S+) coderport \. (\S+) && (\S+) prod", each) for each in lines]
    assert found is not None and found[3] == f"/opt/coderport/{CRON.relative_to(ROOT)}" and os.access(CRON, os.X_OK)
    workflow = (ROOT / ".github/workflows/up.yml").read_text()
    assert f'cron: "{found[1]}"' in workflow  # the rhythm that docs/ci.md explains


def test_cron_brings_a_real_stack_up_to_date(tmp_path: Path, cli: CliInfo) -> None:
    with Pair(seed=3, workspaces=4, templates=2) as pair:
        checkout = Checkout(tmp_path, cli, pair)
        (checkout.folder / ".venv" / "bin").mkdir(parents=True)
        python = checkout.folder / ".venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        where = {"CODERPORT_HOME": str(checkout.folder), "CODERPORT_STATE": str(tmp_path)}
        done = subprocess.run(
            [checkout.folder / "deploy/cron/coderport-sync", "trial"],
            env={**checkout.environment, **where},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert json.loads((tmp_path / "trial.json").read_text())["result"] == "converged"
        assert len(pair.port.entities("coder_workspace")) == 4
