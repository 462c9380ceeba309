"""What `live` counts, for Prometheus."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from coderport.catalog.values import Ref
from coderport.live.rereading import REREAD
from coderport.live.values import Order

SETTLES = 5.0
"""Seconds for which a feed may still say what the re-read has found, before it has missed it."""
RECENT = 200
"""Of how many changes the lag is kept for readiness."""
RECENT_SECONDS = 60.0
NO_FEED = "none"
"""The feed of properties that none covers."""

_BUCKETS = (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)


class LiveMetrics:
    """One set of figures, in a registry of its own. They begin at zero when the service starts."""

    def __init__(self) -> None:
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
            "Changed properties that the re-read found and no feed had said, by the feed that should have",
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
        self.since = datetime.now(timezone.utc)
        """Events before this are not late: nobody looked."""
        self._lags: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._suspected: dict[tuple[Ref, str], float] = {}
        self._suspects: dict[tuple[Ref, str], tuple[str, ...]] = {}

    def watch(self, gauges: Mapping[str, Callable[[], float]]) -> None:
        """Where the gauges are read from at each scrape: coder, port, budget, held, oldest, waiting."""
        for server in ("coder", "port"):
            self._requests.labels(server).set_function(gauges[server])
        self._budget.set_function(gauges["budget"])
        self._held.set_function(gauges["held"])
        self._oldest.set_function(gauges["oldest"])
        self._waiting.set_function(gauges["waiting"])

    def feed(self, name: str, answers: bool | None) -> None:
        """Whether the feed answered its last look, in each place; None where it is asked no more."""
        if answers is None:
            self._feeds.remove(name)
        else:
            self._feeds.labels(name).set(float(answers))

    def written(self, order: Order) -> None:
        """Port has taken a write."""
        self.writes.labels("deleted" if order.entity is None else "created" if order.created else "updated").inc()
        now = datetime.now(timezone.utc)
        for event in order.events:
            # The first look at a feed also names what happened before anybody looked.
            if event.at is not None and event.feed != REREAD and event.at >= self.since:
                lag = max(0.0, (now - event.at).total_seconds())
                self.lag.labels(event.feed).observe(lag)
                self._lags.append((time.monotonic(), lag))

    def recent_lag(self) -> float:
        """The lag that 99 of 100 changes of the last minutes kept; 0 where there were none."""
        since = time.monotonic() - RECENT_SECONDS
        lags = sorted(lag for at, lag in self._lags if at >= since)
        return lags[min(len(lags) - 1, int(len(lags) * 0.99))] if lags else 0.0

    def found(self, key: Ref, by_feed: Mapping[str, tuple[str, ...]]) -> None:
        """The re-read has found changes that no feed has said so far: properties by the feed that should say them."""
        now = time.monotonic()
        for feed, properties in by_feed.items():
            self._suspected[(key, feed)], self._suspects[(key, feed)] = now, properties

    def hinted(self, key: Ref, feed: str) -> None:
        """A feed has given a hint."""
        self.hints.labels(feed).inc()
        self._suspected.pop((key, feed), None)
        self._suspects.pop((key, feed), None)

    def settle(self) -> None:
        """Counts as missed what no feed has said in time."""
        now = time.monotonic()
        for place, at in list(self._suspected.items()):
            if at + SETTLES <= now:
                del self._suspected[place]
                for name in self._suspects.pop(place):
                    self.missed.labels(place[1], name.removeprefix("$")).inc()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
