"""Locks of killed runs: read from the CLI's words, judged by their process, cleared or explained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from coderport.engine import CliInfo
from coderport.engine.holding import held
from coderport.engine.lock import HolderState, Lock, Machine, StackLocked, holder_state, locks, this_machine, unlock
from coderport.engine.start import EngineCommand
from coderport.engine.torn import mend

SINCE = datetime(2026, 11, 21, 5, 2, 15, tzinfo=timezone.utc)
SAID = """
 code: 255
 stdout:
 stderr: error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete \
the lock file with `pulumi cancel`.
  file:///tmp/of%20mine/.pulumi/locks/organization/coderport/lab/f1.json?no_tmp_dir=true: created by root@vm \
(pid 25558) at 2026-11-21T05:02:15Z
  s3://states/.pulumi/locks/organization/coderport/lab/f2.json: created by ACME\\ada@work@runner-7 (pid 9) \
at 2026-11-21T06:02:15+01:00
"""
CLOUD = "stderr: error: [409] Conflict: Another update is currently in progress."


def lock(url: str = "s3://states/f.json", host: str = "vm", pid: int = 7, since: datetime = SINCE) -> Lock:
    return Lock(url, "ada", host, pid, since)


def machine(started: datetime | None = None, **given: object) -> Machine:
    return Machine(**{"name": "vm", "started": lambda _: started, **given})  # type: ignore[arg-type]


def said(*found: Lock) -> str:
    return "\n".join(f"  {each.url}: created by {each.user}@{each.host} (pid {each.pid}) at {each.since.isoformat()}"
                     for each in found)  # fmt: skip


def never() -> None:
    pytest.fail("nothing may be cancelled")


def test_locks_are_read_from_what_the_cli_says() -> None:
    first, second = locks(SAID)
    assert (first.user, first.host, first.pid, first.since) == ("root", "vm", 25558, SINCE)
    assert (second.user, second.host, second.pid, second.since) == ("ACME\\ada@work", "runner-7", 9, SINCE)
    assert second.url == "s3://states/.pulumi/locks/organization/coderport/lab/f2.json"
    assert locks(CLOUD) == ()


@pytest.mark.parametrize(
    ("judged", "of", "on"),
    [
        (HolderState.DEAD, lock(), machine(None)),
        (HolderState.ALIVE, lock(), machine(SINCE - timedelta(hours=1))),
        (HolderState.ALIVE, lock(), machine(SINCE + timedelta(seconds=5))),  # a clock that was set
        (HolderState.DEAD, lock(), machine(SINCE + timedelta(hours=1))),  # the number is another process's by now
        (HolderState.UNSEEN, lock(host="other"), machine(None)),
        (HolderState.UNSEEN, lock(), machine(None, pooled=True)),
        (HolderState.DEAD, lock("file:///f.json"), machine(None, pooled=True)),
        (HolderState.DEAD, lock(), machine(None, booted=SINCE + timedelta(hours=1), opened=SINCE + timedelta(hours=1))),
        (
            HolderState.UNSEEN,
            lock(),
            machine(None, booted=SINCE - timedelta(days=9), opened=SINCE + timedelta(hours=1)),
        ),
        (HolderState.DEAD, lock(), machine(None, booted=SINCE - timedelta(days=9), opened=SINCE - timedelta(hours=1))),
    ],
)
def test_a_lock_is_of_the_dead_only_where_this_machine_can_tell(judged: HolderState, of: Lock, on: Machine) -> None:
    assert holder_state(of, on) is judged


def test_this_machine_knows_the_living_from_the_dead() -> None:
    here = this_machine()
    began = here.started(os.getpid())
    assert began is not None and began < datetime.now(timezone.utc) + timedelta(minutes=1)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert here.started(child.pid) is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert here.started(child.pid) is None, "a process that nobody asked for its end is dead"
    child.wait()
    child.communicate()
    assert here.started(child.pid) is None


def test_locks_of_the_dead_are_cleared_and_that_is_said() -> None:
    cancelled: list[bool] = []
    text = unlock("lab", said(lock(pid=7), lock(pid=8)), lambda: cancelled.append(True), machine=machine(None))
    assert cancelled == [True]
    assert text.splitlines() == [
        f"The lock of a run of ada that died (process {pid}, since 2026-11-21 05:02:15 UTC) was cleared."
        for pid in (7, 8)
    ]


def test_in_a_folder_only_the_locks_that_were_named_go(tmp_path: Path) -> None:
    folder = tmp_path / "100% of #1"
    folder.mkdir()
    mine, newer = folder / "mine.json", folder / "newer.json"
    mine.touch()
    newer.touch()
    unlock("lab", said(lock(f"{mine.as_uri()}?no_tmp_dir=true")), never, machine=machine(None))
    assert list(folder.iterdir()) == [newer]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (said(lock(pid=7)), ["a run of ada is under way on this machine (process 7, since 2026-11-21 05:02:15 UTC)"]),
        (
            said(lock(pid=6), lock(host="ci-3")),
            ["a run of ada on ci-3 (process 7, ", "pulumi -- cancel --yes --stack lab"],
        ),
        (CLOUD, ["Another run of it is under way", "pulumi -- cancel --yes --stack lab"]),
    ],
)
def test_any_other_lock_stays_and_is_explained(text: str, expected: list[str]) -> None:
    here = Machine("vm", lambda pid: SINCE if pid == 7 else None)
    with pytest.raises(StackLocked) as caught:
        unlock("lab", text, never, machine=here)
    assert caught.value.exit_code == 1
    assert [each for each in expected if each not in str(caught.value)] == []
    assert "process 6" not in str(caught.value), "the dead do not hold the stack"


def test_an_empty_checksum_beside_a_state_goes_and_nothing_else(tmp_path: Path) -> None:
    states = tmp_path / "of mine" / ".pulumi" / "stacks" / "coderport"
    states.mkdir(parents=True)
    for name, text in {"lab.json": "{}", "lab.json.attrs": "", "dev.json": "{}", "dev.json.attrs": "{}"}.items():
        (states / name).write_text(text)
    assert mend(f"{(tmp_path / 'of mine').as_uri()}?no_tmp_dir=true", Path("/elsewhere")) == 1
    assert sorted(each.name for each in states.iterdir()) == ["dev.json", "dev.json.attrs", "lab.json"]
    assert mend("file://./of%20mine", tmp_path) == 0
    assert mend("s3://states", tmp_path) == 0


@pytest.mark.parametrize(
    ("meta", "place"), [("version: 1\n", "organization/coderport/lab"), ("version: 0\n", "lab"), ("", "lab")]
)
def test_a_lock_that_is_held_lies_where_the_cli_looks_and_goes_with_its_block(
    tmp_path: Path, meta: str, place: str
) -> None:
    state = tmp_path / ".pulumi"
    state.mkdir()
    if meta:
        (state / "meta.yaml").write_text(meta)
    with held(tmp_path, "coderport", "lab") as notes:
        assert notes == []
        (lock,) = (state / "locks" / place).iterdir()
        content = json.loads(lock.read_text())
        assert content["pid"] == os.getpid() and content.keys() == {"pid", "username", "hostname", "timestamp"}
        with pytest.raises(StackLocked, match=f"process {os.getpid()}, since"), held(tmp_path, "coderport", "lab"):
            pytest.fail("two hold it")
        assert lock.exists()
    assert not lock.exists() and not list(state.glob("*.tmp"))


def test_a_lock_that_cannot_be_read_is_held_by_somebody(tmp_path: Path) -> None:
    place = tmp_path / ".pulumi" / "locks" / "lab"
    place.mkdir(parents=True)
    (place / "odd.json").write_text("{")
    with pytest.raises(StackLocked, match="Another run of it is under way"), held(tmp_path, "coderport", "lab"):
        pytest.fail("it is held")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_the_engine_is_killed_with_the_command_that_started_it(tmp_path: Path) -> None:
    cli = tmp_path / "pulumi"
    cli.write_text("#!/bin/sh\necho $$\nexec sleep 600 >/dev/null 2>&1\n")
    cli.chmod(0o755)
    program = (
        "import sys; from pathlib import Path; from coderport.engine import CliInfo\n"
        "from coderport.engine.start import EngineCommand\n"
        f"EngineCommand(CliInfo(Path({str(cli)!r}), '3.250.0', 'PATH'))"
        ".run(['up'], '.', {'PULUMI_HOME': sys.argv[1]}, lambda line: print(line, flush=True))"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert command.stdout is not None
    engine = int(command.stdout.readline())
    assert this_machine().started(engine) is not None
    command.kill()
    command.wait()
    command.stdout.close()
    for _ in range(10_000):
        if this_machine().started(engine) is None:
            return
        subprocess.run(["sleep", "0.02"], check=True)
    pytest.fail("the engine lives on")


def test_the_command_hands_on_what_it_is_given(tmp_path: Path) -> None:
    cli = tmp_path / "pulumi"
    cli.write_text('#!/bin/sh\necho "$@"\n')
    cli.chmod(0o755)
    done = EngineCommand(CliInfo(cli, "3.250.0", "PATH")).run(["stack", "output"], str(tmp_path), {})
    assert done.stdout == "--non-interactive stack output"
