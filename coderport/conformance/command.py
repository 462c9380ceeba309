"""The command `conformance`: a service, its probes, a report; and the removal of what a run or a killed run made."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from coderport.conformance import coder_bench, port_bench
from coderport.conformance.coder_bench import CoderBench, CoderCredentials
from coderport.conformance.coder_probes import CODER_PROBES
from coderport.conformance.port_bench import PortBench, PortCredentials
from coderport.conformance.port_probes import PORT_PROBES
from coderport.conformance.probe import Finding, NotAsked, Probe
from coderport.conformance.recording import as_json, show
from coderport.conformance.running import Report, findings
from coderport.conformance.talk import BudgetSpent, ConformanceError, Talk
from coderport.settings import CoderAccess, PortAccess, Settings, load_access
from coderport.terminal.ending import Cause, Interrupted, deferred, says

Service = Literal["port", "coder"]


def asked(
    service: Service, console: Console, settings: Settings | None, *, out: Path | None, writes: bool, clean_up: bool
) -> int:
    """What the command does with its options, by a stack's settings or the environment; the exit code."""
    if service == "port":
        port = settings or load_access(PortAccess, os.environ)
        return clean_up_port(port, console) if clean_up else finish(ask_port(port, console), out, console)
    coder = settings or load_access(CoderAccess, os.environ)
    if clean_up:
        return clean_up_coder(coder, console)
    return finish(ask_coder(coder, console, writes=writes), out, console)


def ask_port(
    access: PortAccess, console: Console, probes: Sequence[Probe[PortBench]] = PORT_PROBES, prefix: str | None = None
) -> Report:
    """Asks Port all probes and removes what they made, also after an error or where the command is asked to end."""
    prefix = prefix or port_bench.new_prefix()
    talk = Talk(
        access.port_base_url, PortCredentials(access), budget=port_bench.BUDGET, reserve=port_bench.RESERVE
    ).open()
    console.print(
        f"Asking Port at {access.port_base_url} {len(probes)} questions with throwaway objects whose names begin with "
        f"{prefix}, at most {port_bench.BUDGET} requests"
    )
    started, found = time.monotonic(), list[Finding]()
    with closing(talk), _removing("port", lambda: _removed(talk, prefix)) as left:
        for finding in findings(probes, PortBench(talk, prefix), talk):
            _tell(finding, console)
            found.append(finding)
    seconds = time.monotonic() - started
    return Report("port", access.port_base_url, prefix, tuple(found), talk.requests, seconds, tuple(left))


def ask_coder(
    access: CoderAccess, console: Console, *, writes: bool, probes: Sequence[Probe[CoderBench]] = CODER_PROBES
) -> Report:
    """Asks Coder all probes; only `writes` lets them make a workspace, which is deleted after an error, too."""
    reserve = coder_bench.RESERVE if writes else 0
    talk = Talk(access.coder_api_base_url, CoderCredentials(access), budget=coder_bench.BUDGET, reserve=reserve)
    bench = CoderBench(talk, writes=writes)
    throwaway = f" with a throwaway workspace named {bench.name}" if writes else ", which read and change nothing"
    console.print(
        f"Asking Coder at {access.coder_api_base_url} {len(probes)} questions{throwaway}, "
        f"at most {coder_bench.BUDGET} requests"
    )
    started, found = time.monotonic(), list[Finding]()
    with closing(talk):
        bench.admit()
        version = _version(bench)
        with _removing("coder", lambda: _workspace_removed(talk, bench.name) if writes else ()) as left:
            for finding in findings(probes, bench, talk):
                _tell(finding, console)
                found.append(finding)
    seconds = time.monotonic() - started
    name = bench.name if writes else ""
    address = access.coder_api_base_url
    return Report("coder", address, name, tuple(found), talk.requests, seconds, tuple(left), version=version)


def _version(bench: CoderBench) -> str:
    """The version that emulators know the deployment by; empty where it says none."""
    try:
        return ".".join(map(str, bench.version))
    except NotAsked:
        return ""


@contextmanager
def _removing(service: Service, remove: Callable[[], tuple[str, ...]]) -> Iterator[list[str]]:
    """Removes what the block made, however it ends; the list is then what is left behind."""
    left: list[str] = []

    def words(cause: Cause) -> str:
        told = "what this run had made is removed"
        if left:
            told = f"{', '.join(left)} is left: `python -m coderport conformance --{service} --clean-up` removes it"
        return f"Ended by {cause.name}: {told}."

    try:
        yield left
    except Interrupted as interrupted:
        left += remove()
        says(words)
        interrupted.args = (words(interrupted.cause),)
        raise
    except BaseException:
        remove()
        raise
    with deferred():
        left += remove()
        says(words)


def clean_up_port(access: PortAccess, console: Console) -> int:
    """Removes what earlier runs left in Port, by any machine; the exit code."""
    talk = Talk(access.port_base_url, PortCredentials(access), budget=port_bench.BUDGET)
    return _clean_up(talk, partial(port_bench.remove, talk), "objects removed", console)


def clean_up_coder(access: CoderAccess, console: Console) -> int:
    """Deletes the workspaces that earlier runs of this token's user left in Coder; the exit code."""
    talk = Talk(access.coder_api_base_url, CoderCredentials(access), budget=coder_bench.BUDGET)
    return _clean_up(talk, partial(coder_bench.remove, talk, coder_bench.is_throwaway), "workspaces deleted", console)


def _clean_up(talk: Talk, remove: Callable[[], tuple[int, tuple[str, ...]]], done: str, console: Console) -> int:
    says(_cut_short)
    try:
        number, left = remove()
    except BudgetSpent:
        raise ConformanceError("There is more to remove than one run may ask; run it again.") from None
    finally:
        talk.close()
    for what in left:
        console.print(f"left behind: {what}", style="red")
    console.print(f"{number} throwaway {done}, {len(left)} left: {talk.requests} requests")
    return 1 if left else 0


def _cut_short(cause: Cause) -> str:
    return f"Ended by {cause.name}. What was removed until then is gone: the same command removes the rest."


def finish(report: Report, out: Path | None, console: Console) -> int:
    """Shows the report, writes the recording, and says the exit code."""
    show(report, console)
    if out is not None:
        _write(out, as_json(report))
    return report.exit_code


def _write(out: Path, recording: Mapping[str, Any]) -> None:
    try:
        out.write_text(json.dumps(recording, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConformanceError(f"The recording cannot be written to {out}: {error.strerror or error}") from None


def _removed(talk: Talk, prefix: str) -> tuple[str, ...]:
    """What of this run could not be removed."""
    try:
        return port_bench.remove(talk, prefix)[1]
    except BudgetSpent:
        return (f"perhaps objects named {prefix}… (no requests left)",)


def _workspace_removed(talk: Talk, name: str) -> tuple[str, ...]:
    """The throwaway workspace if it could not be deleted; without an answer nobody knows, and its name is said."""
    try:
        return coder_bench.remove(talk, lambda each: each.removesuffix(coder_bench.REFUSED_ENDING) == name)[1]
    except (ConformanceError, BudgetSpent) as error:
        return (f"perhaps a workspace named {name} ({str(error) or 'no requests left'})",)


def _tell(finding: Finding, console: Console) -> None:
    if console.is_terminal:
        console.print(f"  {finding.result} {finding.name}")
