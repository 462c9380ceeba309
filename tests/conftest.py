"""What every test may rely on: no credentials or proxies of this machine, and the Pulumi CLI where the engine runs."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from coderport.engine import CliInfo, drop_real_life, find_cli
from coderport.transport.loopback import drop_network

pytest_plugins = ["coder_talk", "port_talk", "provider_driver", "pytester"]

FIGURE = "figure"

Logger = tuple[int, bool, bool, int]
"""Level, whether it propagates, whether it is disabled, number of handlers."""

HEARD = {"coderport", "httpx", "stamina"}
FRESH: Logger = (logging.NOTSET, True, False, 0)

# The suite tries the same examples each time, and with `--hypothesis-profile=explore` others. No limits of time.
_timeless = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", _timeless, derandomize=True)
settings.register_profile("explore", _timeless)
settings.load_profile("suite")

drop_real_life(os.environ)
drop_network(os.environ)

# The CLI lives for a second: collecting its garbage is a tenth of what a run costs here. The limit holds for each one.
os.environ |= {"GOGC": "off", "GOMEMLIMIT": "512MiB"}

# A shell that runs the suite in the background, or `nohup`, leaves these ignored, and the commands of the tests would
# inherit that: a signal that a test sends would do nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _each in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    signal.signal(_each, signal.SIG_DFL)


@pytest.fixture(scope="session")
def cli() -> CliInfo:
    """The CLI that `make test` got; a run of pytest alone must have one already."""
    found = find_cli(os.environ)
    assert found is not None, "no Pulumi CLI: `make test` gets one, or `python -m coderport engine`"
    return found


@pytest.fixture(autouse=True)
def as_found() -> Iterator[None]:
    """A test that leaves the loggers other than it found them fails: those after it would hear too much or nothing."""
    before = _loggers()
    yield
    after = _loggers()
    assert after == {name: before.get(name, FRESH) for name in after}, "a logger is not as the test found it"


def _loggers() -> dict[str, Logger]:
    held = logging.Logger.manager.loggerDict.items()
    ours = {name: each for name, each in held if isinstance(each, logging.Logger) and name.split(".")[0] in HEARD}
    return {name: (each.level, each.propagate, each.disabled, len(each.handlers)) for name, each in ours.items()}


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line with a measured figure, which stands in the summary of the run."""
    return lambda line: request.node.user_properties.append((FIGURE, line))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Tests that tell one story (`in_order`) keep their order and stay together, however the others are shuffled.

    What takes longest begins first, so that the workers end together: the `dear` files, then those with the engine.
    """
    written = {item.nodeid: place for place, item in enumerate(items)}
    yield
    stories: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("in_order"):
            stories.setdefault(item.path, []).append(item)
    shuffled, items[:] = list(items), []
    for item in shuffled:
        if item.path not in stories or not item.get_closest_marker("in_order"):
            items.append(item)
        elif item is stories[item.path][0]:
            items.extend(sorted(stories[item.path], key=lambda each: written[each.nodeid]))
    dear = {item.path for item in items if item.get_closest_marker("dear")}
    engine = {item.path for item in items if "cli" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda each: 0 if each.path in dear else 1 if each.path in engine else 2)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ended = (report for reports in terminalreporter.stats.values() for report in reports)
    called = (report for report in ended if getattr(report, "when", "") == "call")
    figures = [line for report in called for name, line in report.user_properties if name == FIGURE]
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
