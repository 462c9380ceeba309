"""How a command ends before its time: by a signal, or because nobody reads what it prints.

Asked once, it ends in order: an engine that is under way finishes what it has begun and gives its lock back, and the
command says what was written. Asked again, it ends at once: the engine breaks off, and still gives its lock back if it
can within two seconds. What is asked is a state of the process, like a signal
itself: it comes from any thread, and whoever is at work looks for it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn, TypeVar

from coderport.tasks import ended

GRACE_SECONDS = 30.0
"""How long the engine may take to end in order; then it is told to break off."""

_BREAK_OFF_SECONDS = 2.0
"""How long the engine may take to break off and give its lock back; then it is killed, and its lock stays.

A second SIGINT makes the Pulumi CLI (3.250) do that in a tenth of a second. GitHub kills a cancelled job 2.5 seconds
after its second signal (docs.github.com, "Workflow cancellation reference").
"""

_LOOK_SECONDS = 0.2

T = TypeVar("T")


def writes_text(number: int) -> str:
    """So many requests that write, in words."""
    return "1 request that writes" if number == 1 else f"{number:,} requests that write"


@dataclass(frozen=True)
class Cause:
    """Why a command ends, in words that follow "Ended by", and the exit code that this means."""

    name: str
    exit_code: int

    def told(self, writes: int) -> str:
        """One sentence on what was written to Port until then."""
        if not writes:
            return f"Ended by {self.name}. Nothing was written to Port."
        return (
            f"Ended by {self.name}, after {writes_text(writes)} to Port: what they did stands, and the next run does "
            "the rest."
        )

    def told_after(self, result: str, writes: int) -> str:
        """One sentence where the run was over when the command was asked to end."""
        wrote = f"after {writes_text(writes)} to Port" if writes else "and nothing was written to Port"
        return f"Ended by {self.name}. The run was over: {result}, {wrote}."


Words = Callable[[Cause], str]
"""What a command says of why it ended and of what it did until then."""


class Interrupted(SystemExit):
    """The command was asked to end while no engine was under way.

    It is a SystemExit because asyncio logs any other that a signal raises in one of its callbacks, and goes on.
    """

    def __init__(self, cause: Cause) -> None:
        super().__init__(_state.words(cause))
        self.cause, self.code, self.exit_code = cause, cause.exit_code, cause.exit_code


_CAUSES = {
    signal.SIGINT: Cause("Ctrl-C", 130),
    signal.SIGTERM: Cause("SIGTERM", 143),
    signal.SIGHUP: Cause("SIGHUP, for the terminal is gone", 129),
}
CTRL_D = Cause("Ctrl-D", 130)
"""The end of the input at a question, which means what Ctrl-C does there."""
UNREAD = Cause("a closed pipe: nobody reads the output", 141)


def _nothing_written(cause: Cause) -> str:
    return cause.told(0)


@dataclass
class _State:
    words: Words = _nothing_written
    cause: Cause | None = None
    lost: Cause | None = None  # the output, which the signal that this process then sends itself stands for
    output_lost: bool = False
    told: str = ""
    stop: Callable[[], object] | None = None
    stopped: bool = False
    processes: set[subprocess.Popen[str]] = field(default_factory=set)
    asked: set[subprocess.Popen[str]] = field(default_factory=set)  # those of them that were told to end in order
    breaking_off: bool = False
    gentle: int = 0
    deferred: int = 0
    busy: int = 0
    idle: threading.Condition = field(default_factory=threading.Condition)


_state = _State()


@contextmanager
def in_order() -> Iterator[None]:
    """Takes the signals that ask a command to end, for the whole command, and ends the process with what follows.

    A signal that is ignored (nohup) stays so. Threads that still wait for something are left behind.
    """
    _listen()
    code: int | str | None = 0
    try:
        try:
            yield
        except Interrupted:
            raise
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
    except Interrupted as interrupted:
        _state.told = str(interrupted)
        if not _state.output_lost:
            print(interrupted, file=sys.stderr)
    if _state.cause is None:
        sys.exit(code)
    if _state.output_lost:
        print(_state.told or _state.words(_state.cause), file=sys.stderr)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(_state.cause.exit_code)


@contextmanager
def as_service(stop: Callable[[], object]) -> Iterator[None]:
    """Within the block a signal is the normal end: it calls `stop`. A second one still ends the process at once."""
    _listen()
    _state.stop = stop
    try:
        yield
    finally:
        _state.stop = None


def says(words: Words) -> None:
    """From now on the command says this where it is ended; until then, that nothing was written to Port.

    For a command that changes something without an engine. It is asked when the command ends, by a signal or because
    its output is lost, also when all its work is done.
    """
    _state.words = words


def told(cause: Cause, writes: int) -> str:
    """One sentence on how the command ended and what was written to Port until then."""
    _state.told = cause.told(writes)
    return _state.told


def over(result: str, writes: int) -> None:
    """From now on the command says, where it is ended, that its run was over, with this result and so many writes."""
    says(lambda cause: cause.told_after(result, writes))


@contextmanager
def engine_run() -> Iterator[None]:
    """A run of the engine, from before its start until its outcome is known: nothing is raised within for a signal.

    Whoever is inside looks at `asked`, and says with `over` how the run ended.
    """
    _state.words = _nothing_written  # an earlier run of this command may have said more
    _state.deferred += 1
    try:
        yield
    finally:
        _state.deferred -= 1


def asked() -> Cause | None:
    """Why the command is to end; None as long as nobody asked."""
    return _state.cause


def end(cause: Cause) -> NoReturn:
    """Ends the command in order, as a signal would that came where no engine is under way."""
    _state.cause = cause
    raise Interrupted(cause)


def lose(cause: Cause) -> None:
    """Asks the command to end because its output is lost; from any thread, and once."""
    if _state.lost is None and _state.cause is None:
        _state.lost, _state.output_lost = cause, True
        main = threading.main_thread().ident
        if signal.getsignal(signal.SIGTERM) is _asked and main is not None:
            signal.pthread_kill(main, signal.SIGTERM)


@contextmanager
def gently() -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """What is started within the block is asked to end, with SIGINT, and waited for; nothing is raised meanwhile.

    The process has to be a group of its own, so that a terminal's Ctrl-C does not reach it as well.
    """
    _insist()
    started: list[subprocess.Popen[str]] = []

    def start(process: subprocess.Popen[str]) -> None:
        started.append(process)
        _state.processes.add(process)
        if _state.cause is not None:
            _end_gently(process)

    _state.gentle += 1
    try:
        yield start
    finally:
        _state.gentle -= 1
        _state.processes.difference_update(started)
        _state.asked.difference_update(started)


@contextmanager
def killed() -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """What is started within the block is killed when the command is asked to end."""
    _insist()
    started: list[subprocess.Popen[str]] = []

    def start(process: subprocess.Popen[str]) -> None:
        started.append(process)
        _state.processes.add(process)

    try:
        yield start
    finally:
        _state.processes.difference_update(started)


@contextmanager
def waited_for() -> Iterator[None]:
    """Work in another thread that looks for itself whether it is to end: the command waits until it has."""
    with _state.idle:
        _state.busy += 1
    try:
        yield
    finally:
        with _state.idle:
            _state.busy -= 1
            _state.idle.notify_all()


def wait_for_others() -> None:
    """Returns when all work that is `waited_for` has ended, or will not within the time that an engine may take."""
    with _state.idle:
        _state.idle.wait_for(lambda: not _state.busy, GRACE_SECONDS)


@contextmanager
def deferred() -> Iterator[None]:
    """A signal within the block raises Interrupted at its end, and nothing before."""
    before = _state.cause
    _state.deferred += 1
    try:
        yield
    finally:
        _state.deferred -= 1
    if _state.cause is not None and _state.cause is not before:
        raise Interrupted(_state.cause)


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` for a command: raises Interrupted when the command is asked to end, also if the work is just done.

    The signal is looked for beside the work. Raised wherever the process is, it could take a step from the event loop
    that the loop then waits for without end.
    """
    with deferred():
        return asyncio.run(unless_asked(work))


async def unless_asked(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which is cut off when the command is asked to end; then raises Interrupted."""
    task = asyncio.ensure_future(work)
    while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
        if (cause := _state.cause) is not None:
            await ended(task)
            raise Interrupted(cause)
    if _state.cause is not None and task.exception() is not None:  # a process of the work that was killed, say
        raise Interrupted(_state.cause)
    return task.result()


def _listen() -> None:
    for number in _CAUSES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _asked)


def _insist() -> None:
    if _state.cause is not None:
        raise Interrupted(_state.cause)


def _asked(number: int, _: FrameType | None) -> None:
    cause = _CAUSES[signal.Signals(number)]
    if _state.lost is not None and number == signal.SIGTERM:
        cause, _state.lost = _state.lost, None
        if _state.cause is not None:
            return
    if _state.cause is not None or _state.stopped:
        _at_once(cause)
    if _state.stop is not None:
        _state.stopped = True
        _state.stop()
        return
    _state.cause = cause
    if _state.gentle:
        for process in list(_state.processes):
            _end_gently(process)
        if not _state.output_lost:
            _write(f"{cause.name}: the engine finishes what it has begun. Once more, and it breaks off.")
        return
    _kill_all()
    if not _state.deferred:
        raise Interrupted(cause)


def _end_gently(process: subprocess.Popen[str]) -> None:
    _state.asked.add(process)
    with suppress(OSError):
        process.send_signal(signal.SIGINT)
    timer = threading.Timer(GRACE_SECONDS, _break_off)
    timer.daemon = True
    timer.start()


def _break_off() -> None:
    """Tells what was asked to end in order not to finish what it has begun, and kills what is left."""
    asked = [] if _state.breaking_off else list(_state.asked)
    _state.breaking_off = True
    deadline = time.monotonic() + _BREAK_OFF_SECONDS
    while (left := [each for each in asked if each.poll() is None]) and time.monotonic() < deadline:
        for process in left:  # more than once, for two that come before the first is taken are one
            with suppress(OSError):
                process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _kill_all()


def _kill_all() -> None:
    for process in list(_state.processes):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)


def _at_once(cause: Cause) -> None:
    _break_off()
    if _state.words is _nothing_written:  # what an engine wrote until now is not counted yet
        text = f"Ended at once by {cause.name}: what was written to Port stands, and the next run does the rest."
    else:
        text = _state.words(cause)
    _write(text)
    os._exit(cause.exit_code)


def _write(text: str) -> None:
    """A line on standard error, past what a signal may have interrupted in the middle of a line."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())
