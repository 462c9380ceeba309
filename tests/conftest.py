"""What every test may rely on: no credentials or proxies of this machine, and the Pulumi CLI where the engine runs."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from coderport.engine import CliInfo, drop_real_life, find_cli
from coderport.loopback import drop_network

pytest_plugins = ["coder_talk", "port_talk", "provider_driver"]

FIGURE = "figure"

drop_real_life(os.environ)
drop_network(os.environ)


@pytest.fixture(scope="session")
def cli() -> CliInfo:
    """The CLI that `make test` got; a run of pytest alone must have one already."""
    found = find_cli(os.environ)
    assert found is not None, "no Pulumi CLI: `make test` gets one, or `python -m coderport engine`"
    return found


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line with a measured figure, which stands in the summary of the run."""
    return lambda line: request.node.user_properties.append((FIGURE, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ended = (report for reports in terminalreporter.stats.values() for report in reports)
    called = (report for report in ended if getattr(report, "when", "") == "call")
    figures = [line for report in called for name, line in report.user_properties if name == FIGURE]
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
