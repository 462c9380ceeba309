"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
REFUSALS: Final = (
    "unsigned",
    "forged",
    "stale",
    "replayed",
    "too_large",
    "incomplete",
    "invalid",
    "full",
    "draining",
    "journal",
)
"""Why a request was refused."""
CLOSED: Final = ("slow", "crowded")
"""Why a connection was closed: its time was over, or another one needed its place."""
ABANDONED: Final = "abandoned"
"""The outcome of a run that could not be brought to an end in time, in Port neither."""

_BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)


class Metrics:
    """One set of figures, in a registry of its own. They begin at zero when the service starts."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # each would be one gauge more in this format
        self._registry = registry = CollectorRegistry()
        self.received = Counter("coderport_webhook_received", "Requests to POST /runs", registry=registry)
        self.repeated = Counter(
            "coderport_webhook_repeated", "Requests signed anew for a run that was known already", registry=registry
        )
        self.refused = Counter(
            "coderport_webhook_refused", "Requests that were refused, by reason", ["reason"], registry=registry
        )
        self.accepted = Counter("coderport_runs_accepted", "Runs taken on", registry=registry)
        self.resumed = Counter(
            "coderport_runs_resumed", "Unfinished runs found in the journal at the start", registry=registry
        )
        self.found = Counter(
            "coderport_runs_found", "Runs found open in Port that no call had named", registry=registry
        )
        self.broken_off = Counter(
            "coderport_runs_broken_off", "Attempts at a run that broke off and are made again", registry=registry
        )
        self.ended = Counter("coderport_runs_ended", "Runs that ended, by outcome", ["outcome"], registry=registry)
        self.duration = Histogram(
            "coderport_run_duration_seconds", "From receiving a run to its end", buckets=_BUCKETS, registry=registry
        )
        self.closed = Counter(
            "coderport_connections_closed",
            "Connections that the service closed, by reason",
            ["reason"],
            registry=registry,
        )
        self._connections = Gauge("coderport_connections", "Open connections", registry=registry)
        self._queued = Gauge("coderport_runs_queued", "Runs that wait to be worked on", registry=registry)
        self._running = Gauge("coderport_runs_running", "Runs that are worked on", registry=registry)
        for reason in REFUSALS:
            self.refused.labels(reason)
        for reason in CLOSED:
            self.closed.labels(reason)

    def watch(self, *, queued: Callable[[], float], running: Callable[[], float]) -> None:
        """Where the gauges are read from at each scrape."""
        self._queued.set_function(queued)
        self._running.set_function(running)

    def watch_connections(self, connections: Callable[[], float]) -> None:
        """Where the gauge of connections is read from at each scrape."""
        self._connections.set_function(connections)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
