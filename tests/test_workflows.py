"""The workflows: what they may do, that nothing untrusted reaches a shell line, and what their scripts do."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_expressions import filled, value

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
OURS = ROOT / ".github" / "actions"
NAMES = ("coder-action", "preview", "site", "tests", "up")
ACTIONS = ("approved", "converge", "setup")
GITHUB_COMMENT_LIMIT = 65_536

Node = dict[str, Any]


def text(name: str) -> str:
    return (FOLDER / f"{name}.yml").read_text()


def workflow(name: str) -> Node:
    # BaseLoader, or `on` would become a boolean.
    loaded: Node = yaml.load(text(name), Loader=yaml.BaseLoader)
    return loaded


def action(name: str) -> Node:
    """One of the composite actions, which hold what several jobs do."""
    loaded: Node = yaml.load((OURS / name / "action.yml").read_text(), Loader=yaml.BaseLoader)
    return loaded


def jobs() -> Iterator[tuple[str, Node]]:
    for name in NAMES:
        for key, job in workflow(name)["jobs"].items():
            yield f"{name}.{key}", job


def steps() -> Iterator[tuple[str, Node]]:
    for name, job in jobs():
        for step in job["steps"]:
            yield name, step
    for name in ACTIONS:
        for step in action(name)["runs"]["steps"]:
            yield name, step


def ups() -> list[Node]:
    """The jobs of `up.yml` that write."""
    found = workflow("up")["jobs"]
    return [found["up"], found["shards"]]


def only(found: list[str]) -> str:
    assert len(found) == 1
    return found[0]


def script(name: str, job: str, step: str) -> str:
    return only([each["run"] for each in workflow(name)["jobs"][job]["steps"] if each.get("name") == step])


def shared(name: str, step: str) -> str:
    """The script of a step of a composite action."""
    return only([each["run"] for each in action(name)["runs"]["steps"] if each.get("name") == step])


def test_these_are_all_workflows() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == list(NAMES)
    assert sorted(path.name for path in OURS.iterdir()) == list(ACTIONS)


def test_every_action_is_one_of_ours_or_pinned_by_commit_with_its_version_beside_it() -> None:
    used = [found for name in NAMES for found in re.findall(r"uses: *(.*)", text(name))]
    used += [
        found for name in ACTIONS for found in re.findall(r"uses: *(.*)", (OURS / name / "action.yml").read_text())
    ]
    ours = [each.removeprefix("$/.github/actions/") for each in used if each.startswith("$/")]
    assert set(ours) == set(ACTIONS)  # `$/` is this repository at the commit of the workflow
    for each in used:
        if each.startswith("$/"):
            continue
        assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_no_expression_is_in_a_shell_line() -> None:
    scripts = [(name, step["run"]) for name, step in steps() if "run" in step]
    assert scripts
    for name, run in scripts:
        assert "${{" not in run, name


def test_each_job_has_the_least_permissions_and_a_time_limit() -> None:
    allowed = {
        "coder-action.run": {"contents": "read"},
        "tests.tests": {"contents": "read"},
        "tests.oldest-sdk": {"contents": "read"},
        "tests.conformance": {"contents": "read"},
        "preview.preview": {"contents": "read"},
        "site.site": {"contents": "read"},
        "preview.comment": {"pull-requests": "write"},
        "up.chosen": {},
        "up.up": {"actions": "read", "contents": "read"},
        "up.shards": {"actions": "read", "contents": "read"},
    }
    assert {name: job["permissions"] for name, job in jobs()} == allowed
    for name in NAMES:
        assert workflow(name)["permissions"] == {}
    assert all(int(job["timeout-minutes"]) <= 120 for _, job in jobs())


def test_the_job_that_may_write_has_no_checkout_and_no_secret() -> None:
    job = workflow("preview")["jobs"]["comment"]
    assert not [step for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert "secrets." not in json.dumps(job)


def test_no_checkout_keeps_credentials() -> None:
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 8
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


def test_secrets_are_given_to_one_step_of_jobs_with_an_environment() -> None:
    for name, job in jobs():
        holders = [step["name"] for step in job["steps"] if "secrets." in json.dumps(step)]
        known = {"coder-action.run": ["Run"], "preview.preview": ["Preview"], "up.up": ["Up"], "up.shards": ["Up"]}
        assert holders == known.get(name, [])
        assert "secrets." not in json.dumps({**job, "steps": []})
        assert bool(holders) == ("environment" in job)


def test_a_preview_of_a_fork_does_not_run() -> None:
    assert workflow("preview")["on"] == {"pull_request": ""}
    condition = workflow("preview")["jobs"]["preview"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition.split(" && ")


def test_an_action_gets_its_run_by_the_environment_and_waits_for_no_other() -> None:
    job = workflow("coder-action")["jobs"]["run"]
    assert workflow("coder-action")["on"] == {
        "workflow_dispatch": {
            "inputs": {"run_id": {"description": "The id of the run in Port", "type": "string", "required": "true"}}
        }
    }
    holders = [step for step in job["steps"] if "inputs." in json.dumps(step)]
    assert [step["name"] for step in holders] == ["Run"]
    assert holders[0]["env"]["CODERPORT_RUN_ID"] == "${{ inputs.run_id }}"
    assert "CODERPORT_RUN_ID" not in holders[0]["run"]
    assert "concurrency" not in job
    # A run that is dispatched twice waits for itself, and for no other.
    group = {"group": "coder-action-${{ inputs.run_id }}", "cancel-in-progress": "false"}
    assert workflow("coder-action")["concurrency"] == group


def test_a_run_that_writes_is_never_cut_off_and_never_meets_its_like() -> None:
    for job in ups():
        assert job["concurrency"]["cancel-in-progress"] == "false"
        stack = job["env"]["STACK"]  # the queue is the stack's: shards of one environment run side by side
        assert job["concurrency"]["group"].startswith(f"up-{stack}${{{{ github.event_name == 'schedule'")
    assert set(workflow("up")["on"]) == {"push", "schedule", "workflow_dispatch"}


def test_shards_follow_the_stacks_that_manage_the_blueprints_and_do_the_same() -> None:
    first, shards = workflow("up")["jobs"]["up"], workflow("up")["jobs"]["shards"]
    assert shards["steps"] == first["steps"]
    assert shards["needs"] == "up" and "!cancelled()" in shards["if"]
    for given in ("inputs.environment", "inputs.stack"):  # a run by hand, with its release, is of one stack
        assert f"!{given}" in shards["if"] and given in first["strategy"]["matrix"]["environment"]


def test_each_stack_is_one_job_in_its_environment() -> None:
    names = {
        "CODERPORT_ENVIRONMENTS": '["test", "prod"]',
        "CODERPORT_SHARDS": '[{"environment": "prod", "stack": "prod-data"}, {"environment": "prod", "stack": "x"}]',
    }
    up, shards, preview = (
        expanded(workflow(name)["jobs"][job]["strategy"]["matrix"], {"vars": names})
        for name, job in (("up", "up"), ("up", "shards"), ("preview", "preview"))
    )
    assert up == [{"environment": "test"}, {"environment": "prod"}]
    assert shards == json.loads(names["CODERPORT_SHARDS"])
    assert preview == [{"stack": "test"}, {"stack": "prod"}, *shards]
    del names["CODERPORT_SHARDS"]
    assert expanded(workflow("preview")["jobs"]["preview"]["strategy"]["matrix"], {"vars": names}) == preview[:2]


def expanded(matrix: Node, context: Node) -> list[Node]:
    """The jobs of a matrix as GitHub makes them: an entry of `include` that would change a value is one of its own."""
    choices = {key: value(text, context) for key, text in matrix.items()}
    included = choices.pop("include", [])
    made: list[Node] = [{}] if choices else []
    for key, several in choices.items():
        made = [{**each, key: choice} for each in made for choice in several]
    original = [dict(each) for each in made]
    for entry in included:
        fit = [
            index
            for index, each in enumerate(original)
            if all(each.get(key, entry[key]) == entry[key] for key in entry)
        ]
        for index in fit:
            made[index].update(entry)
        if not fit:
            made.append(entry)
    return made


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


class Runner:
    """A folder in which a step's script runs as on GitHub, with `gh` and the project's Python replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        self.output = folder / "output"

    def command(self, path: Path, body: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        script = path.with_name(f"{path.name}.body.py")
        script.write_text(f"import json, pathlib, sys\n{body}\n", encoding="utf-8")
        # No interpreter with a space in its path can be named in a script's first line.
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
        path.chmod(0o755)

    def noted(self, path: Path, body: str = "") -> None:
        """A command that appends its arguments to the calls before `body`."""
        self.command(
            path,
            f"with open({str(self.calls)!r}, 'a') as calls:\n    print(json.dumps(sys.argv[1:]), file=calls)\n{body}",
        )

    def real_python(self) -> None:
        """The project's Python in its place, with the packages that it has (a link to it would have none)."""
        python = self.folder / ".venv/bin/python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
        python.chmod(0o755)

    def run(self, script: str, **environment: str) -> int:
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env={
                "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_OUTPUT": str(self.output),
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
                "GITHUB_REPOSITORY": "acme/portal",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_RUN_ID": "7",
                **environment,
            },
            check=False,
        ).returncode

    def page(self, **environment: str) -> str:
        """What the job's page shows after the step that writes it."""
        self.real_python()
        (self.folder / "scripts").symlink_to(ROOT / "scripts")
        assert self.run(shared("converge", "Write the summary"), **environment) == 0
        return (self.folder / "summary").read_text()

    def called(self) -> list[list[str]]:
        return [json.loads(line) for line in self.calls.read_text().splitlines()]


CHOSEN = "Refuse a stack that does not belong to the environment"
OF_PORTAL: Mapping[str, str] = {
    "CODERPORT_ENVIRONMENTS": '["test", "prod"]',
    "CODERPORT_SHARDS": '[{"environment": "prod", "stack": "prod-data"}, {"environment": "", "stack": "research"}]',
}


def goes_up(
    runner: Runner, event: str, variables: Mapping[str, str] = OF_PORTAL, /, **inputs: str
) -> set[tuple[str, str]]:
    """The stacks that go up, each with the GitHub environment that it has its secrets and reviewers of."""
    # The command of GitHub's machines, by the library that the tests have.
    runner.command(runner.bin / "jq", "import jq\nprint(jq.compile(sys.argv[2]).input_value(None).first())")
    context: Node = {"github": {"event_name": event}, "vars": variables, "inputs": inputs, "needs": {}}
    found = workflow("up")["jobs"]

    def needed(job: str, result: str) -> None:
        context["needs"][job] = {"result": result}

    def stacks(job: Node) -> set[tuple[str, str]]:
        if not value(job["if"], context):
            return set()
        rows = [{**context, "matrix": each} for each in expanded(job["strategy"]["matrix"], context)]
        return {(filled(job["environment"]["name"], row), filled(job["env"]["STACK"], row)) for row in rows}

    needed("chosen", "skipped")
    if value(found["chosen"]["if"], context):
        [given] = [each["env"] for each in found["chosen"]["steps"] if each["name"] == CHOSEN]
        code = runner.run(script("up", "chosen", CHOSEN), **{key: filled(text, context) for key, text in given.items()})
        needed("chosen", "failure" if code else "success")
    first = stacks(found["up"])
    needed("up", "success" if first else "skipped")
    return first | stacks(found["shards"])


AFTER_A_MERGE = {("test", "test"), ("prod", "prod"), ("prod", "prod-data"), ("research", "research")}


def test_every_stack_goes_up_in_its_environment(runner: Runner) -> None:
    assert goes_up(runner, "push") == goes_up(runner, "workflow_dispatch") == AFTER_A_MERGE
    on_a_schedule = {(f"{environment}-scheduled", stack) for environment, stack in AFTER_A_MERGE}
    assert goes_up(runner, "schedule") == on_a_schedule
    unset = {"CODERPORT_SHARDS": OF_PORTAL["CODERPORT_SHARDS"]}
    assert not any(goes_up(runner, event, unset) for event in ("push", "schedule", "workflow_dispatch"))


@pytest.mark.parametrize(
    ("inputs", "stack"),
    [
        ({"environment": "prod"}, ("prod", "prod")),
        ({"environment": "prod", "stack": "prod"}, ("prod", "prod")),
        ({"environment": "prod", "stack": "prod-data"}, ("prod", "prod-data")),
        ({"environment": "research", "stack": "research"}, ("research", "research")),
        ({"stack": "test"}, ("test", "test")),
        ({"stack": "research"}, ("research", "research")),
    ],
)
def test_one_stack_goes_up_by_hand(runner: Runner, inputs: dict[str, str], stack: tuple[str, str]) -> None:
    assert goes_up(runner, "workflow_dispatch", **inputs) == {stack} <= AFTER_A_MERGE


@pytest.mark.parametrize(
    ("environment", "stack"),
    [
        ("prod-scheduled", "prod"),  # the secrets of prod without its reviewers
        ("prod-actions", "prod"),
        ("prod-preview", "prod"),
        ("test", "prod"),
        ("test", "prod-data"),
        ("research", "prod"),
        ("prod", "research"),
        ("", "prod-data"),  # a GitHub environment that there is not: GitHub would make one, without any rule
        ("prod-data", "prod-data"),
        ("prod-scheduled", ""),
        ("Prod", "prod"),
        ("prod", "Prod"),
        ("prod ", "prod"),
        (" ", ""),
        ("prod", "prod\nprod-data"),
        ("test", "x\nenvironment prod"),  # what would look like another job to who reads names line by line
        ("test\n", "test"),
        ("$(exit 0)", "prod"),
        ("null", "null"),
    ],
)
def test_no_stack_goes_up_by_hand_in_the_environment_of_another(
    runner: Runner, capfd: pytest.CaptureFixture[str], environment: str, stack: str
) -> None:
    assert goes_up(runner, "workflow_dispatch", environment=environment, stack=stack) == set()
    said = capfd.readouterr().out
    assert (
        f"{json.dumps(stack or environment)} is no stack of the environment {json.dumps(environment or stack)}" in said
    )
    assert said.count("\n") == 1 and '"test" of "test", "prod" of "prod", "prod-data" of "prod", "research" of' in said


def test_without_shards_each_environment_has_its_one_stack(runner: Runner) -> None:
    alone = {"CODERPORT_ENVIRONMENTS": '["prod"]'}
    assert goes_up(runner, "workflow_dispatch", alone, environment="prod") == {("prod", "prod")}
    assert goes_up(runner, "workflow_dispatch", alone, environment="prod", stack="prod-data") == set()
    unnamed = {**alone, "CODERPORT_SHARDS": '[{"stack": "research"}]'}
    assert goes_up(runner, "workflow_dispatch", unnamed, stack="research") == {("research", "research")}
    broken = {**OF_PORTAL, "CODERPORT_SHARDS": "[{"}
    assert goes_up(runner, "workflow_dispatch", broken, environment="prod") == set()


RESULT = {
    "result": "changes",
    "kinds": {"template": {"created": 1, "updated": 0, "deleted": 0, "unchanged": 1234}},
    "message": "",
}


@pytest.mark.parametrize("stack", ["prod", "acme/coderport/prod"])
@pytest.mark.parametrize("code", [0, 1, 3])
def test_whatever_the_preview_exits_with_its_comment_is_written(runner: Runner, code: int, stack: str) -> None:
    answer, of_job = json.dumps(RESULT), {"STACK": stack, "INDEX": "2"}
    runner.noted(
        runner.folder / ".venv/bin/python",
        f"print('log'); print({answer!r}); print('to people', file=sys.stderr); sys.exit({code})",
    )
    assert runner.run(script("preview", "preview", "Preview"), **of_job) == 0
    assert runner.called() == [["-m", "coderport", "preview", "--stack", stack, "--json", "--html", "report-2.html"]]
    assert runner.output.read_text() == f"code={code}\n"
    runner.real_python()
    (runner.folder / "scripts").symlink_to(ROOT / "scripts")
    assert runner.run(script("preview", "preview", "Write the comment"), CODE=str(code), **of_job) == 0
    written = (runner.folder / "comment" / "002.md").read_text()
    assert f"`{stack}`: changes" in written
    assert "| template | 1 | 0 | 0 | 1,234 |" in written
    assert "log\nto people" in written
    assert runner.run(script("preview", "preview", "Succeed or fail as the preview did"), CODE=str(code)) == code


def test_no_file_of_a_preview_and_no_artifact_is_named_by_its_stack() -> None:
    """A name with an organization has slashes, which no name of an artifact may have; two jobs share none either."""
    preview = workflow("preview")["jobs"]["preview"]
    assert preview["env"] == {"STACK": "${{ matrix.stack }}", "INDEX": "${{ strategy.job-index }}"}
    report, section = [step["with"] for step in preview["steps"] if "upload-artifact" in step.get("uses", "")]
    assert report["path"] == "report-${{ strategy.job-index }}.html" and report["archive"] == "false"
    assert section["name"] == "preview-${{ strategy.job-index }}"


def posted(runner: Runner, *, before: str, previews: dict[str, str]) -> tuple[list[str], str]:
    """The call that wrote, and the body it wrote, where a search for the comment prints `before`."""
    (runner.folder / "previews").mkdir()
    for name, body in previews.items():
        (runner.folder / "previews" / f"{name}.md").write_text(body)
    runner.noted(runner.bin / "gh", f"if '--paginate' in sys.argv: print({before!r}, end='')")
    post = script("preview", "comment", "Post the comment, or update it")
    assert runner.run(post, PULL_REQUEST="12", COMMIT="abc") == 0
    look, write = runner.called()
    assert look[:2] == ["api", "--paginate"]
    assert "body=@comment.md" in write
    return write, (runner.folder / "comment.md").read_bytes().decode()


def test_the_first_comment_of_a_pull_request_is_posted(runner: Runner) -> None:
    write, body = posted(runner, before="", previews={"prod": "P\n", "test": "T\n"})
    assert write[2:5] == ["--method", "POST", "repos/acme/portal/issues/12/comments"]
    assert body.startswith("<!-- coderport preview -->\nP\n\nT\n")
    assert "https://github.com/acme/portal/actions/runs/7" in body


def test_a_later_comment_updates_the_first(runner: Runner) -> None:
    write, _ = posted(runner, before="41\n42\n", previews={"prod": "P\n"})
    assert write[2:5] == ["--method", "PATCH", "repos/acme/portal/issues/comments/41"]


def test_a_preview_without_a_result_is_said(runner: Runner) -> None:
    _, body = posted(runner, before="", previews={})
    assert "ended before it had a result" in body


def test_a_comment_keeps_to_the_limit_by_whole_sections(runner: Runner) -> None:
    """A section that is cut would leave its fence open, and the next name in it would be Markdown."""
    section = "### €uro\n\n```\n" + "line €\n" * 3000 + "```\n"
    _, body = posted(runner, before="", previews={f"env-{number}": section for number in range(5)})
    assert 20_000 < len(body) <= GITHUB_COMMENT_LIMIT
    assert body.count("```") == 2 * body.count("line €\n```") and body.count("```") >= 4
    assert body.count("### €uro") == 5 and "no room left" in body and "Commit abc" in body


def test_a_section_that_is_one_endless_line_keeps_to_the_limit_too(runner: Runner) -> None:
    _, body = posted(runner, before="", previews={"prod": "€" * 70_000})
    assert len(body) <= GITHUB_COMMENT_LIMIT and "Commit abc" in body


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({"ALLOW_DELETIONS": "", "FORGET_UNPROVEN": ""}, []),
        ({"ALLOW_DELETIONS": "30", "FORGET_UNPROVEN": "2"}, ["--allow-deletions=30", "--forget-unproven=2"]),
        (
            {"ALLOW_DELETIONS": "$(touch hit); x", "FORGET_UNPROVEN": ""},
            ["--allow-deletions=$(touch hit); x"],
        ),
    ],
)
def test_a_release_reaches_the_command_as_it_is(runner: Runner, inputs: dict[str, str], options: list[str]) -> None:
    runner.noted(runner.folder / ".venv/bin/python")
    assert runner.run(shared("converge", "Up"), COMMAND="up", STACK="prod", **inputs) == 0
    assert runner.called() == [["-m", "coderport", "up", "--stack", "prod", "--summary", "summary.json", *options]]
    assert not (runner.folder / "hit").exists()


def test_a_refused_up_fails_the_job_and_its_summary_is_on_the_page(runner: Runner) -> None:
    refused = {
        **RESULT,
        "result": "refused",
        "message": "```\n@everyone",
        "coder_requests": 1234,
        "seconds": {"total": 2.5},
    }
    runner.command(
        runner.folder / ".venv/bin/python",
        f"pathlib.Path('summary.json').write_text({json.dumps(refused)!r}); sys.exit(3)",
    )
    given = {"COMMAND": "sync", "STACK": "prod", "ALLOW_DELETIONS": "", "FORGET_UNPROVEN": ""}
    assert runner.run(shared("converge", "Up"), **given) == 3
    said = runner.page(**given)
    assert "### coderport sync of `prod`: refused\n" in said
    assert "| template | 1 | 0 | 0 | 1,234 |" in said
    assert "2.5 s. Coder: 1,234 requests. Port: 0 requests" in said
    assert "````\n```\n@everyone\n````" in said  # a name of Coder's cannot end the block that holds it


@pytest.mark.parametrize("left", [None, "", '{"resul', "[]"])
def test_a_run_that_left_no_summary_is_said(runner: Runner, left: str | None) -> None:
    if left is not None:
        (runner.folder / "summary.json").write_text(left)
    assert "### coderport up of `prod`: no result\n" in runner.page(COMMAND="up", STACK="prod")


def test_the_schedule_syncs_and_everything_else_goes_up() -> None:
    assert workflow("up")["on"]["schedule"] == [{"cron": "7-57/10 * * * *"}]
    for job in ups():
        [converges] = [step for step in job["steps"] if step.get("name") == "Up"]
        assert converges["with"]["command"] == "${{ github.event_name == 'schedule' && 'sync' || 'up' }}"
    [writes] = [step for step in action("converge")["runs"]["steps"] if step["name"] == "Write the summary"]
    # Also after a failure; not where there was no run, and so perhaps no Python to write it with.
    assert writes["if"] == "${{ !cancelled() && steps.up.outcome != 'skipped' }}"


def test_what_a_shared_action_takes_is_given_and_reaches_its_script_by_the_environment() -> None:
    for name, step in steps():
        if (used := step.get("uses", "")).startswith("$/"):
            takes = action(used.rpartition("/")[2]).get("inputs", {})
            needed = {key for key, each in takes.items() if each.get("required") == "true"}
            assert needed <= set(step.get("with", {})) <= set(takes), (name, used)
    for name in ACTIONS:
        assert action(name)["runs"]["using"] == "composite"
        text = (OURS / name / "action.yml").read_text()
        assert all(f"${{{{ inputs.{key} }}}}" in text for key in action(name).get("inputs", {}))
        assert "secrets." not in text  # GitHub has none there: they come with the environment of the calling step
        assert all(each["shell"] == "bash" for each in action(name)["runs"]["steps"] if "run" in each)


def test_the_commit_that_was_approved_is_looked_for_before_anything_is_checked_out() -> None:
    for job in ups():
        look, checkout = job["steps"][:2]
        assert look["uses"] == "$/.github/actions/approved" and look["if"] == "github.event_name == 'schedule'"
        assert checkout["with"]["ref"] == "${{ steps.approved.outputs.sha || github.sha }}"
    assert action("approved")["outputs"]["sha"]["value"] == "${{ steps.approved.outputs.sha }}"


def test_every_python_keeps_the_downloads_of_pip() -> None:
    pythons = [step for _, step in steps() if step.get("uses", "").startswith("actions/setup-python@")]
    assert len(pythons) == 5
    for each in pythons:
        assert (each["with"]["cache"], each["with"]["cache-dependency-path"]) == ("pip", "requirements*.txt")


FIND = "Find the commit that last went up with approval"
TIP = "f" * 40
DISPATCH = "workflow_dispatch"
MERGED = "e" * 40
"""A commit of main that waits for its approval."""


def sha(letter: str) -> str:
    return letter * 40


def job(name: str = "environment prod", conclusion: str | None = "success") -> Node:
    return {"name": name, "conclusion": conclusion}


def went(number: int, *jobs: Node, commit: str | None = None, **changes: Any) -> Node:
    """A run of the workflow on main, the newer the greater its number, as GitHub's API has it."""
    return {
        "id": number,
        "event": "push",
        "head_branch": "main",
        "head_sha": commit or sha(f"{number:x}"),
        "created_at": f"2026-11-27T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "jobs": list(jobs),
        **changes,
    }


def found(
    runner: Runner, runs: list[Node], *, of_main: str = "0123456789abcdef", merged: str = "", tags: tuple[str, ...] = ()
) -> str | None:
    """The commit that a run on a schedule takes, None where it fails.

    `of_main` are the letters of the commits that main was at, the oldest first. The tip is a merge of those of
    `merged`, which began from the first of main.
    """
    line = [sha(each) for each in of_main]
    line += [TIP] * (line[-1] != TIP)
    side = [line[0], *(sha(each) for each in merged)]
    parents = {after: [before] for before, after in (*itertools.pairwise(line), *itertools.pairwise(side))}
    parents[TIP] = [*parents[TIP], *side[1:][-1:]]
    runner.calls.unlink(missing_ok=True)
    runner.noted(
        runner.bin / "gh",
        f"""
import os
import jq
runs, tip, parents, tags = json.loads({json.dumps(json.dumps(runs))}), {TIP!r}, {parents!r}, {tags!r}
def history(commit):
    return [commit, *(one for each in parents.get(commit, ()) for one in history(each))]
arguments = sys.argv[1:]
path = next(each for each in arguments if each.startswith("repos/"))
given = dict(each.split("=", 1) for each in arguments if "=" in each and not each.startswith("."))
assert arguments[0] == "api" and path.startswith("repos/acme/portal/")
if path.endswith("/actions/workflows/up.yml/runs"):
    # GitHub's own filter by branch is by name, and a tag may have the name as well.
    fit = sorted((each for each in runs if each["event"] == given["event"]), key=lambda each: -each["id"])
    first, size = 100 * (int(given["page"]) - 1), int(given["per_page"])
    assert size == 100
    answer = {{"workflow_runs": [{{**each, "jobs": None}} for each in fit[:1000][first : first + size]]}}
elif path.endswith("/jobs"):
    assert given["filter"] == "all"
    answer = {{"jobs": next(each["jobs"] for each in runs if str(each["id"]) == path.split("/")[-2])}}
elif "/compare/" in path:
    base, _, head = path.split("/compare/")[1].removesuffix("?per_page=100").partition("...")
    assert head == tip and "--paginate" in arguments
    between = [each for each in dict.fromkeys(history(tip)) if each not in history(base)]
    rows = [{{"sha": each, "parents": [{{"sha": one}} for one in parents.get(each, ())]}} for each in between]
    answer = {{"status": "not looked at", "commits": rows[::-1]}}
elif "/git/matching-refs/tags/" in path:
    assert "--paginate" in arguments
    answer = [{{"ref": f"refs/tags/{{each}}"}} for each in tags if each.startswith(path.rsplit("/", 1)[1])]
else:
    sys.exit(f"unexpected: {{path}}")
for each in jq.compile(arguments[arguments.index("--jq") + 1]).input_value(answer):
    print(each if isinstance(each, str) else json.dumps(each))
""",
    )
    runner.output.unlink(missing_ok=True)
    given = {"ENVIRONMENT": "prod", "GITHUB_REF_NAME": "main", "GITHUB_SHA": TIP}
    code = runner.run(shared("approved", FIND), **given)
    written = runner.output.read_text() if runner.output.exists() else ""
    assert (code == 0) == bool(written), written
    return written.removeprefix("sha=").strip() or None


def test_the_schedule_repeats_the_commit_that_last_went_up(runner: Runner) -> None:
    waiting, failed = went(9, job(conclusion=None)), went(8, job(conclusion="failure"))
    assert found(runner, [waiting, failed, went(7, job()), went(6, job())]) == sha("7")
    assert found(runner, [went(5, job()), went(6, job(), event="workflow_dispatch")]) == sha("6")
    assert found(runner, [went(15, job())]) == sha("f")


def requests(runner: Runner, part: str) -> int:
    """How many of that kind the step sent."""
    return sum(part in each for call in runner.called() for each in call)


def test_however_many_merges_wait_the_schedule_repeats_what_went_up_before_them(runner: Runner) -> None:
    waiting = [went(number, job(conclusion=None), commit=MERGED) for number in range(8, 68)]
    assert found(runner, [*waiting, went(7, job())]) == sha("7")
    assert requests(runner, "/jobs") == 61
    # Beyond the first of GitHub's pages. What names no commit costs no request of its own.
    waiting = [went(number, commit="none") for number in range(8, 308)]
    by_hand = went(6, job(), event="workflow_dispatch")
    assert found(runner, [*waiting, went(7, job()), by_hand]) == sha("7")
    assert (requests(runner, "up.yml/runs"), requests(runner, "/jobs")) == (4 + 1, 1)


def test_the_schedule_looks_no_further_than_it_has_to(runner: Runner) -> None:
    before = [went(number, job(), commit=sha("2"), event=event) for number, event in ((3, "push"), (4, DISPATCH))]
    assert found(runner, [*before, went(7, job()), went(8, job("by hand prod"), event=DISPATCH)]) == sha("7")
    assert requests(runner, "/jobs") == 2


def test_where_the_list_ends_nobody_is_told_that_nothing_went_up(
    runner: Runner, capfd: pytest.CaptureFixture[str]
) -> None:
    many = [went(number, commit="none") for number in range(8, 1010)]
    assert found(runner, [*many, went(7, job()), went(1, job("by hand prod"), event=DISPATCH)]) is None
    said = capfd.readouterr().out
    assert "None of the last 1001 runs" in said and "Approve one that waits" in said and "as it is then" in said


def test_a_shard_of_the_environment_went_up_in_it_as_well(runner: Runner) -> None:
    shard = job("shard prod-data of environment prod")
    assert found(runner, [went(9, shard), went(8, job())]) == sha("9")
    assert found(runner, [went(9, job("shard prod of environment prod-2")), went(8, job())]) == sha("8")


@pytest.mark.parametrize(
    "made_up",
    [
        pytest.param(went(9, job(), commit=MERGED, head_branch="evil"), id="branch"),
        pytest.param(went(9, job(), commit=sha("b")), id="not in main, as a tag that is called main"),
        pytest.param(went(9, job("by hand prod"), commit=MERGED), id="a stack of another environment by hand"),
        pytest.param(went(9, job("environment test"), commit=MERGED), id="another environment"),
        pytest.param(went(9, job("environment prod 2"), commit=MERGED), id="an environment that begins alike"),
        pytest.param(went(9, job("up prod"), commit=MERGED), id="a name of before environments were named"),
        pytest.param(went(9, job(), commit=MERGED, event="schedule"), id="on a schedule"),
        pytest.param(went(9, job(), commit=MERGED, event="pull_request"), id="a pull request"),
        pytest.param(went(9, job(), commit="main"), id="no commit"),
        pytest.param(went(9, job(), commit="--help"), id="an option"),
    ],
)
def test_nobody_makes_the_schedule_take_another_commit(runner: Runner, made_up: Node) -> None:
    """With what people who may push, and no more, can make on GitHub."""
    assert found(runner, [made_up, went(7, job())], of_main="7e") == sha("7")
    assert found(runner, [made_up], of_main="7e") is None


def test_a_commit_that_a_merge_brought_with_it_is_none_that_main_was_at(runner: Runner) -> None:
    """Whoever may push tags it `main`, and starts the workflow as it is in that commit, where no approval is asked."""
    tagged = went(9, job(), commit=sha("c"), event="workflow_dispatch")
    assert found(runner, [tagged, went(7, job())], of_main="579e", merged="bcd") == sha("7")
    assert found(runner, [tagged], of_main="579e", merged="bcd") is None
    assert found(runner, [went(9, job(), commit=TIP)], of_main="579e", merged="bcd") == TIP


def test_nothing_is_taken_while_a_tag_is_called_like_the_branch(runner: Runner) -> None:
    assert found(runner, [went(7, job())], tags=("main",)) is None
    assert found(runner, [went(7, job())], tags=("main-1", "mai", "v1")) == sha("7")


def test_no_deployment_record_is_asked_for() -> None:
    assert "deployments" not in shared("approved", FIND)
    assert all("deployments" not in str(job["permissions"]) for _, job in jobs())


def test_a_job_that_names_an_environment_runs_in_it() -> None:
    """The names by which the schedule knows what went up: nothing that is given by hand makes another job look so."""
    up, shards = workflow("up")["jobs"]["up"], workflow("up")["jobs"]["shards"]
    by_hand = (
        "${{ inputs.stack && format('by hand {0}', inputs.stack) || format('environment {0}', matrix.environment) }}"
    )
    assert up["name"] == by_hand
    assert up["environment"]["name"].startswith("${{ matrix.environment }}$")
    assert shards["name"] == "shard ${{ matrix.stack }} of environment ${{ matrix.environment || matrix.stack }}"
    assert "!inputs.environment && !inputs.stack" in shards["if"]


def rendered(folder: Path, code: int, stdout: str, stderr: str) -> str:
    (folder / "out").write_text(stdout)
    (folder / "err").write_text(stderr)
    command = [sys.executable, str(ROOT / "scripts" / "preview_comment.py"), "prod", str(code), "out", "err"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_refusal_is_shown_with_its_release(tmp_path: Path) -> None:
    message = "30 of 40 would go. Release: --allow-deletions 30"
    said = rendered(tmp_path, 3, json.dumps({**RESULT, "result": "refused", "message": message}), "")
    assert "refused by a guard" in said
    assert message in said


def test_a_crash_is_shown_with_what_it_said(tmp_path: Path) -> None:
    said = rendered(tmp_path, 1, "", "Traceback …\nKeyError: 'x'\n")
    assert "failed (exit 1)" in said
    assert "KeyError: 'x'" in said


def test_a_name_cannot_end_the_block_that_holds_it(tmp_path: Path) -> None:
    said = rendered(tmp_path, 0, json.dumps({**RESULT, "message": "```\n@everyone"}), "")
    assert "````\n```\n@everyone\n````" in said


def test_long_output_is_cut_at_its_beginning(tmp_path: Path) -> None:
    said = rendered(tmp_path, 0, json.dumps(RESULT), "x" * 100_000 + "the end")
    assert len(said) < 20_000
    assert "the end" in said


def times(field: str, size: int) -> int:
    """How often a field of cron's comes up in so many: `*`, a number, and steps over all or a range."""
    first, _, step = field.partition("/")
    low, _, high = ("0", "", str(size - 1)) if first == "*" else first.partition("-")
    return len(range(int(low), int(high or low) + 1, int(step or 1)))


def test_the_cost_of_each_schedule_is_what_it_comes_to() -> None:
    page = (ROOT / "docs" / "ci.md").read_text().split("## What it costs", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", page, re.MULTILINE)
    assert len(rows) == 4
    for schedule, *shown in rows:
        minute, hour, *days = schedule.split()
        assert days == ["*", "*", "*"]
        jobs = 30 * times(minute, 60) * times(hour, 24)
        assert [int(each.replace(",", "")) for each in shown] == [jobs, jobs, 2 * jobs]
    of_init = (ROOT / "coderport" / "setup" / "templates" / "coderport.yml").read_text()
    assert {workflow("up")["on"]["schedule"][0]["cron"], *re.findall(r'cron: "(.*)"', of_init)} <= {
        row[0] for row in rows
    }
