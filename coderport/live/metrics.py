"""What `live` counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from coderport.live.lateness import Lateness
from coderport.live.rereading import REREAD
from coderport.live.values import Hint, Order

_BUCKETS = (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)


class LiveMetrics:
    """One set of figures, in a registry of its own. They begin at zero when the service starts."""

    def __init__(self, lateness: Lateness) -> None:
        self.lateness = lateness
        disable_created_metrics()  # type: ignore[no-untyped-call]  # each would be one gauge more in this format
        self._registry = registry = CollectorRegistry()
        self.lag = Histogram(
            "coderport_live_lag_seconds",
            "From an event in Coder, by Coder's clock, to Port's answer to the write",
            ["feed"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.missed = Counter(
            "coderport_live_missed",
            "Changed properties that the re-read found and no feed said in its time, by the feed that should have",
            ["feed", "property"],
            registry=registry,
        )
        self.hints = Counter("coderport_live_hints", "Hints, by the feed that gave them", ["feed"], registry=registry)
        self.writes = Counter("coderport_live_writes", "Entities written to Port", ["what"], registry=registry)
        self.refused = Counter("coderport_live_refused", "Entities that Port does not take", registry=registry)
        self._requests = Gauge("coderport_live_requests", "Requests so far", ["server"], registry=registry)
        self._budget = Gauge("coderport_live_coder_requests_last_minute", "Requests to Coder", registry=registry)
        self._held = Gauge("coderport_live_held_deletions", "Deletions that wait for a release", registry=registry)
        self._oldest = Gauge(
            "coderport_live_oldest_partition_seconds", "Since when a part was not read again", registry=registry
        )
        self._waiting = Gauge("coderport_live_hints_waiting", "Hints that wait to be read", registry=registry)
        self._feeds = Gauge("coderport_live_feed_up", "Whether a feed answers", ["feed"], registry=registry)

    def watch(self, gauges: Mapping[str, Callable[[], float]]) -> None:
        """Where the gauges are read from at each scrape: coder, port, budget, held, oldest, waiting."""
        for server in ("coder", "port"):
            self._requests.labels(server).set_function(gauges[server])
        self._budget.set_function(gauges["budget"])
        self._held.set_function(gauges["held"])
        self._oldest.set_function(gauges["oldest"])
        self._waiting.set_function(gauges["waiting"])

    def begin_anew(self) -> None:
        """Which feeds there are is not known yet."""
        self._feeds.clear()

    def feed(self, name: str, answers: bool | None) -> None:
        """Whether the feed answered its last look, in each place; None where it is asked no more."""
        if answers is None:
            self._feeds.remove(name)
        else:
            self._feeds.labels(name).set(float(answers))

    def written(self, order: Order) -> None:
        """Port has taken a write."""
        self.writes.labels("deleted" if order.entity is None else "created" if order.created else "updated").inc()
        for event in order.events:
            lag = self.lateness.of(event)
            if lag is not None and event.feed != REREAD:
                self.lag.labels(event.feed).observe(lag)
                self.lateness.written(lag)

    def hinted(self, hint: Hint) -> None:
        """A feed has given a hint."""
        self.hints.labels(hint.event.feed).inc()
        self.lateness.heard(hint.event)

    def miss(self, feed: str, name: str) -> None:
        """A feed has missed a change of that property."""
        self.missed.labels(feed, name).inc()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
