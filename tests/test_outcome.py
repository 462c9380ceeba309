"""How a command says what it did: the account of all its processes, the text for people, the file for machines."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from coderport.commands.acts import show, write_summary
from coderport.errors import CoderportError
from coderport.report.account import Account, Failure, Read, collected, variables
from coderport.report.change import Change
from coderport.report.outcome import Outcome, Tally, failed
from coderport.stack.result import outcome_of

READ = Read(coder_templates=50, coder_workspaces=10_000, port_entities=10_049)


def ended(account: Account | None = None) -> tuple[Outcome, Tally]:
    """A sync that one creation ended."""
    tally = Tally(preview=False)
    tally.count(Change("created", "workspace", "anna/dev"))
    given = account or Account(
        coder_requests=65,
        port_requests=17,
        port_writes=1,
        retries=2,
        read=READ,
        seconds={"read_port": 2.5, "read_coder": 4.0, "read": 4.125, "judge": 0.25},
    )
    return outcome_of(tally, given, None, "converged"), tally


def test_the_account_of_a_run_has_the_program_and_every_provider_process(tmp_path: Path) -> None:
    program = Account(coder_requests=60, port_requests=16, retries=1, read=READ)
    program.leave(variables(tmp_path))
    for process in (1, 2):
        counts = {"requests": 100, "writes": 40, "retries": 3}
        (tmp_path / f"provider.{process}").write_text(json.dumps(counts))
    account = Account(coder_requests=5, retries=10, read=Read(coder_templates=1))
    account.add(collected(tmp_path))
    assert (account.coder_requests, account.port_requests, account.port_writes) == (65, 216, 80)
    assert account.retries == 10 + 1 + 6
    assert account.read == READ, "what was read twice is counted once"


def test_a_part_that_reads_nothing_leaves_what_was_read_before() -> None:
    account = Account(read=READ)
    account.add(Account())
    assert account.read == READ


def test_a_run_that_could_not_read_all_that_was_asked_for_is_none_that_went_well(tmp_path: Path) -> None:
    program = Account(unread=("licences", "quotas"))
    program.leave(variables(tmp_path))
    account = Account()
    account.add(collected(tmp_path))
    account.add(Account())  # a part that reads nothing
    outcome, _ = ended(account)
    assert (outcome.result, outcome.exit_code, outcome.unread) == ("failed", 1, ("licences", "quotas"))
    assert outcome.message.startswith("Not read: licences, quotas. Coder failed at that")
    seen = outcome_of(Tally(preview=True), account, None, "changes")
    assert (seen.result, seen.exit_code) == ("unchanged", 1), "a preview tells what a run would do, and that it fails"
    account.add(Account(unread=()))
    assert ended(account)[0].exit_code == 0, "read whole by a later part of the command"
    account = Account(unread=("quotas",), failure=Failure(exit_code=3, message="refused"))
    outcome, _ = ended(account)
    assert (outcome.exit_code, outcome.message, outcome.unread) == (3, "refused", ())


def test_people_read_in_three_lines_how_long_what_and_at_which_cost() -> None:
    screen = io.StringIO()
    outcome, tally = ended()
    seconds = {**outcome.seconds, "cli": 0.6, "total": 5.0}
    show(outcome.model_copy(update={"seconds": seconds}), tally, Console(file=screen, width=200))
    assert screen.getvalue().splitlines()[-3:] == [
        "converged in 5.0 s: read port 2.5 s, read coder 4.0 s, judge 0.2 s, cli 0.6 s",
        "read 50 templates and 10,000 workspaces from Coder, 10,049 entities from Port",
        "Coder 65 requests · Port 17 requests, 1 of them writes · 2 retries",
    ]


def test_a_summary_replaces_the_one_before_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    write_summary(failed(CoderportError("first")), file)
    assert json.loads(file.read_text())["message"] == "first"
    outcome, _ = ended()
    write_summary(outcome, file)
    assert json.loads(file.read_text()) == json.loads(outcome.model_dump_json())
    assert list(tmp_path.iterdir()) == [file]


def test_a_summary_goes_where_a_link_points_and_the_link_stays(tmp_path: Path) -> None:
    link = tmp_path / "latest.json"
    link.symlink_to(tmp_path / "run-7.json")
    write_summary(ended()[0], link)
    assert link.is_symlink() and json.loads((tmp_path / "run-7.json").read_text())["result"] == "converged"


def test_a_summary_that_cannot_be_written_is_one_plain_error(tmp_path: Path) -> None:
    with pytest.raises(CoderportError, match=r"summary cannot be written to .*gone/summary.json: No such file"):
        write_summary(ended()[0], tmp_path / "gone" / "summary.json")
