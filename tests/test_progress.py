"""What a person sees while a run is under way, what a log keeps of it, and that nobody else hears anything."""

from __future__ import annotations

import asyncio
import io
import re
import threading
from collections.abc import Iterator

import pytest
from echoing_port import EchoingPort, ok
from rich.console import Console

from coderport.coder.client import CoderClient
from coderport.coder.reading.snapshot import read_snapshot
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import serve
from coderport.kinds.all import KINDS
from coderport.kinds.workspace import WORKSPACE
from coderport.planning.holdings import holdings
from coderport.port.client import PortClient
from coderport.report.account import Account
from coderport.terminal.progress import ENGINE, WORDS, Display, Lines, Silent, shown_on, watched, watcher


class Screen(io.StringIO):
    """What was written to a terminal, or to a file."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        """Without what steers the cursor and the colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


def console(screen: Screen) -> Console:
    return Console(file=screen, force_terminal=screen.isatty(), width=120, highlight=False, markup=False)


@pytest.fixture
def terminal() -> Screen:
    return Screen(terminal=True)


@pytest.fixture
def log() -> Screen:
    return Screen(terminal=False)


def lines(screen: Screen) -> list[str]:
    """With the seconds, which differ, as #."""
    return [re.sub(r"\d+\.\d s", "# s", line) for line in screen.text.splitlines()]


# --- in a log -----------------------------------------------------------------------------------------------------


def test_a_log_gets_one_line_for_each_phase_with_what_was_counted_and_seconds(log: Screen) -> None:
    account = Account()
    with watched(Lines(console(log))):
        with account.phase("read_coder") as progress:
            progress("templates", 25, None)
            progress("templates", 50, None)
            progress("workspaces", 1000, 10_000)
            progress("workspaces", 10_000, 10_000)
        with account.phase("judge"):
            pass
        watcher().began(ENGINE, "entities", 10_050)
        watcher().advanced(ENGINE, "entities", 10_050)
        watcher().ended(ENGINE)
    assert lines(log) == [
        "reading Coder: 50 templates, 10,000 workspaces, # s",
        "judging: # s",
        "declaring: 10,050 entities, # s",
    ]


def test_the_line_of_a_phase_that_failed_says_how_far_it_came(log: Screen) -> None:
    with watched(Lines(console(log))), pytest.raises(RuntimeError), Account().phase("delete") as progress:
        progress("entities", 100, 250)
        raise RuntimeError
    assert lines(log) == ["deleting: 100 entities, # s"]


def test_a_phase_that_is_made_of_others_has_no_line_and_a_second_part_has_its_own(log: Screen) -> None:
    account = Account()
    with watched(Lines(console(log))), account.phase("read"):
        with account.phase("read_port"):
            pass
        with account.phase("read_port", shown="read_permissions") as progress:
            progress("actions", 3, 3)
    assert lines(log) == ["reading Port: # s", "reading permissions: 3 actions, # s"]
    assert set(account.seconds) == {"read", "read_port"}


def test_the_end_of_a_phase_that_never_began_is_nothing(log: Screen, terminal: Screen) -> None:
    display = Display(console(terminal))
    with display.shown():
        for progress in (Lines(console(log)), display, Silent()):
            progress.advanced(ENGINE, "entities", 1)
            progress.ended(ENGINE)
    assert log.text == "" and "declaring" not in terminal.text


# --- on a terminal ------------------------------------------------------------------------------------------------


class Eyes:
    """A display, and what stands on it at this moment."""

    def __init__(self, screen: Screen, display: Display) -> None:
        self._screen, self.display = screen, display

    def see(self) -> list[str]:
        self._screen.seek(0)
        self._screen.truncate()
        self.display.refresh()
        return [" ".join(line.split()) for line in self._screen.text.splitlines() if line.strip()]


@pytest.fixture
def eyes(terminal: Screen) -> Iterator[Eyes]:
    display = Display(console(terminal))
    with display.shown():
        yield Eyes(terminal, display)


def test_a_person_sees_done_of_total_rate_and_time_left(eyes: Eyes) -> None:
    eyes.display.began(ENGINE, "entities", 10_050)
    for done in range(0, 3_001, 1_000):
        eyes.display.advanced(ENGINE, "entities", done)
    (line,) = eyes.see()
    assert re.search(r"declaring .* 3,000 of 10,050 entities · [\d,]+/s · \d+:\d\d left$", line), line


def test_what_has_no_total_shows_how_many_and_for_how_long(eyes: Eyes) -> None:
    eyes.display.began("read_port")
    eyes.display.advanced("read_port", "workspaces", 1_000)
    (line,) = eyes.see()
    assert re.search(r"reading Port .* 1,000 workspaces · \d+:\d\d$", line), line


def test_the_reads_stand_side_by_side_and_each_kind_has_a_total_of_its_own(eyes: Eyes) -> None:
    for phase in ("read_port", "read_coder"):
        eyes.display.began(phase)
    eyes.display.advanced("read_port", "templates", 50, 50)
    eyes.display.advanced("read_coder", "workspaces", 3_000, 10_000)
    eyes.display.advanced("read_port", "workspaces", 1_000)
    port, coder = eyes.see()
    assert "1,000 workspaces" in port and "50" not in port
    assert "3,000 of 10,000 workspaces" in coder


def test_a_phase_that_is_over_is_summed_up(eyes: Eyes) -> None:
    eyes.display.began("read_coder")
    eyes.display.advanced("read_coder", "templates", 50)
    eyes.display.advanced("read_coder", "workspaces", 990, 1_000)
    eyes.display.ended("read_coder")
    waiting, line = eyes.see()
    assert re.search(r"✓ reading Coder .* 50 templates, 990 workspaces, \d\.\d s$", line), line
    assert "waiting for Pulumi" in waiting


def test_more_than_were_expected_is_no_more_than_all(eyes: Eyes) -> None:
    eyes.display.began(ENGINE, "entities", 2)
    eyes.display.advanced(ENGINE, "entities", 3)
    assert "3 of 3 entities" in eyes.see()[0]


@pytest.mark.parametrize("width", [40, 50, 70, 80])
def test_at_a_narrow_terminal_the_figures_are_cut_and_not_what_is_under_way(terminal: Screen, width: int) -> None:
    display = Display(Console(file=terminal, force_terminal=True, width=width, highlight=False, markup=False))
    with display.shown():
        for phase in WORDS:
            display.began(phase, "workspaces", 10_000)
            display.advanced(phase, "workspaces", 3_000, 10_000)
        display.ended("read_coder")
        seen = Eyes(terminal, display).see()
    assert len(seen) == len(WORDS), "each has one line"
    for line, words in zip(seen, WORDS.values(), strict=True):
        assert f" {words} " in line and len(line) <= width, line


def test_nothing_of_the_display_stays(terminal: Screen) -> None:
    terminal_console = console(terminal)
    with shown_on(terminal_console, {}):
        watcher().began("judge")
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K"), "the last thing that it does is to take its line away"


# --- who watches --------------------------------------------------------------------------------------------------


def test_a_terminal_gets_the_display_and_everything_else_the_lines(terminal: Screen, log: Screen) -> None:
    with shown_on(console(terminal), {}):
        assert isinstance(watcher(), Display)
    with shown_on(console(log), {}):
        assert isinstance(watcher(), Lines)
    with shown_on(console(terminal), {"CI": "true"}):
        assert isinstance(watcher(), Lines)


def test_colours_that_are_forced_make_no_terminal_of_a_log(log: Screen) -> None:
    forced = Console(file=log, force_terminal=True)
    with shown_on(forced, {}):
        assert isinstance(watcher(), Lines)


def test_without_a_watcher_a_run_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with Account().phase("read_coder") as progress:
        progress("workspaces", 1, 2)
    assert isinstance(watcher(), Silent)
    assert capfd.readouterr() == ("", "")


def test_the_program_is_heard_from_its_own_thread_and_nobody_is_after_the_end(log: Screen) -> None:
    def program() -> None:
        with Account().phase("judge"):
            pass

    with watched(Lines(console(log))):
        thread = threading.Thread(target=program)
        thread.start()
        thread.join()
    program()
    assert lines(log) == ["judging: # s"]


# --- what the reads tell ------------------------------------------------------------------------------------------


Told = list[tuple[str, int, int | None]]


def test_reading_coder_tells_how_many_of_how_many_over_all_organizations() -> None:
    emulator = CoderEmulator(seed=2, workspaces=30, templates=4, organizations=2)
    told: Told = []

    async def read(url: str) -> int:
        async with CoderClient(url, emulator.token) as client:
            names = [each.name for each in await client.organizations()]
            assert len(names) > 1
            snapshot = await read_snapshot(
                client, organizations=names, progress=lambda *each: told.append(each), page_limit=5
            )
            return len(snapshot.workspaces)

    with serve(emulator.app) as served:
        seen = asyncio.run(read(served.url))
    workspaces = [(done, total) for what, done, total in told if what == "workspaces"]
    assert workspaces[-1] == (seen, seen)
    assert [done for done, _ in workspaces] == sorted(done for done, _ in workspaces)
    assert all(total is not None and done <= total for done, total in workspaces)


@pytest.mark.parametrize(
    ("entities", "expected", "counted"),
    [
        (7, [("workspaces", 7, 7)], 1),
        (2500, [("workspaces", 1000, 2500), ("workspaces", 2000, 2500), ("workspaces", 2500, 2500)], 2),
    ],
)
def test_reading_port_tells_page_by_page_and_holds_the_rows_against_ports_count(
    entities: int, expected: list[tuple[str, int, int]], counted: int
) -> None:
    port = EchoingPort()
    port.add_blueprint(WORKSPACE.identifier)
    port.add_blueprint("_user")  # every Port has it
    for number in range(entities):
        port.add_entity(WORKSPACE.identifier, str(number))
    port.answers.append(lambda sent: ok(organization={"id": "o"}) if sent.path == "/v1/organization" else None)
    told: Told = []

    async def read() -> int:
        async with PortClient("http://port.test", "id", "secret", transport=port.transport()) as client:
            held = await holdings(client, KINDS, progress=lambda *each: told.append(each))
            return len(held.entities[WORKSPACE.identifier])

    assert asyncio.run(read()) == entities
    assert told == expected
    assert sum(route.endswith(f"{WORKSPACE.identifier}/entities-count") for route in port.routes()) == counted
