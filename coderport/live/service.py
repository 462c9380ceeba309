"""`live` itself: it begins with a whole read, then follows the feeds, re-reads in a rolling way, and writes to Port."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timezone
from itertools import chain
from typing import Any

from coderport.catalog.values import Ref
from coderport.coder.errors import CoderError
from coderport.errors import CoderportError, Refusal, SettingsError
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.live.beginning import Beginning, LiveStack, begin
from coderport.live.budget import patient, routine
from coderport.live.catalog import Catalog
from coderport.live.deleting import Deletions
from coderport.live.feeds.choosing import Chosen, chosen
from coderport.live.feeds.feed import Place
from coderport.live.feeds.webhook import Notifications
from coderport.live.following import LONGEST_PAUSE, Following
from coderport.live.health import Health
from coderport.live.hints import Hints
from coderport.live.identity import Identity
from coderport.live.lateness import Lateness
from coderport.live.ledger import Ledger
from coderport.live.metrics import LiveMetrics
from coderport.live.misses import Misses, is_late_deletion
from coderport.live.others import EVERY, OTHERS, Others
from coderport.live.reading import PER_PROOF, PER_READING, Hinted, Reader
from coderport.live.renewal import Renewal
from coderport.live.rereading import PAGE, REREAD, Rereading
from coderport.live.rhythm import Rhythm, rest_of, rhythm_of
from coderport.live.servers import Servers
from coderport.live.sight import Sight
from coderport.live.standing import Anew, Standing, until_a_run
from coderport.live.values import Event, Hint, Order, Reading
from coderport.live.writing import Writer
from coderport.port.errors import PortError
from coderport.settings import Settings
from coderport.settings.corrections import corrected, correcting
from coderport.tasks import together, within

RETRY_SECONDS = 30.0
"""Until it tries to begin again, where no run comes by before."""
IDENTITY_EVERY = 60.0
READY_LAG = 30.0
"""Seconds of lag up to which it is ready."""

_LOG = logging.getLogger(__name__)


class Live:
    """One stack, kept as Coder is. `run` it in a task; `why_not_ready` tells how it is."""

    def __init__(self, stack: LiveStack, settings: Settings, servers: Servers) -> None:
        self._stack, self._settings, self._servers = stack, settings, servers
        self.metrics = LiveMetrics(Lateness(servers.times))
        self._misses = Misses(self._has_looked, self.metrics.miss)
        self.hints = Hints()
        self._proofs = Hints()
        self._deletions = Deletions(settings.guard, {})
        self._ledger = Ledger(self._deletions)
        self._begun = self._tried = False
        self._health = self._unfailing()
        self._not_begun = "it has not begun"
        self._following: Following | None = None
        self._writer: Writer | None = None
        self._rereading: Rereading | None = None
        self.metrics.watch(
            {
                "coder": lambda: float(servers.requests["coder"]),
                "port": lambda: float(servers.requests["port"]),
                "budget": lambda: float(servers.budget.spent),
                "held": lambda: float(len(self._deletions.held)),
                "oldest": lambda: self._rereading.oldest if self._rereading else 0.0,
                "waiting": lambda: float(len(self.hints) + len(self._proofs)),
            }
        )
        self._catalog: Catalog
        self._notifications = Notifications(lambda: self._catalog if self._begun else None)

    # --- how it is ------------------------------------------------------------------------------------------------

    def why_not_ready(self) -> str:
        """Why it is not ready, for a person; empty if it is."""
        if not self._begun:
            return self._not_begun
        if self._health.text:
            return self._health.text
        if lost := self._sight.lost:
            return lost
        if failing := self._standing.failing or (self._writer.failing if self._writer is not None else ""):
            return failing
        # What Coder does not show may wait for its proof: a mass of it leaves room for the rest.
        waiting = (self.hints.events(), self._writer.events() if self._writer else ())
        lag = self.metrics.lateness.recent(chain.from_iterable(waiting))
        return f"changes reach Port {lag:.0f} s late" if lag > READY_LAG else ""

    @property
    def feeds(self) -> list[str]:
        """The names of the feeds that it has, sorted."""
        return sorted({name for name, _ in self._following.feeds}) if self._following is not None else []

    def notified(self, body: Any) -> None:
        """Takes one of Coder's notifications; ValueError where it is none."""
        self._hinted(self._notifications.hints(body))

    def details(self) -> str:
        """What else a person should know, ready or not: held deletions, doubts, missing feeds, what is not kept."""
        held = len(self._deletions.held)
        deletions = f"{held} deletions are held. {self._release()}" if held else ""
        feeds = self._following.left_out if self._following is not None and self._begun else ""
        doubts = self._sight.doubts if self._begun and not self._sight.lost else ""
        return "\n".join(filter(None, (deletions, doubts, feeds, self._ledger.failing)))

    def _release(self) -> str:
        number = len(self._deletions.held)
        return (
            "If they are right, let one run delete them: "
            f"python -m coderport sync --stack {self._stack.name} --allow-deletions {number}"
        )

    # --- its life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Goes on until it is cancelled. Raises Refusal where Coder is not the one that it was."""
        while True:
            try:
                await self._life(await self._beginning())
            except Anew as anew:
                self._begun, self._writer, self._not_begun = False, None, f"it begins anew, because {anew}"
                _LOG.info("begins anew", extra={"reason": str(anew)})

    async def _life(self, beginning: Beginning) -> None:
        """From a beginning on. Anew where that holds no longer."""
        self.metrics.begin_anew()
        self._health = self._unfailing()
        await self._ledger.opened(self._stack, self._settings, beginning)
        coder, port = self._servers.coder, self._servers.port
        self._catalog = catalog = Catalog(beginning.ground, self._deletions)
        self._standing = standing = Standing(self._stack, self._settings, beginning, port, self._deletions)
        self._reader = Reader(coder, catalog)
        self._writer = writer = Writer(
            port,
            catalog,
            self.metrics.written,
            lambda _: self.metrics.refused.inc(),
            self.hints.add,
            self._permitted,
            self._revived,
        )
        self._rereading = Rereading(coder, catalog, self._reader)
        self._others = Others(port, catalog, writer)
        self._sight = Sight(coder, catalog, self._stack.name)
        self._identity = Identity(coder, catalog)
        resync = self._settings.live.resync.total_seconds()
        self._renewal = Renewal(self._reader, self._health, self._others_are_called, resync)
        self._identity.insist_on_progress(beginning.reading.workspaces.values())
        self._following = Following(
            lambda had, anew: chosen(coder, catalog, had, anew=anew),
            self._rhythm,
            self._hinted,
            self._rereading.all_at_once,
            self._health,
            lambda: self._servers.budget.per_second,
        )
        await self._following.choose()
        self._order(beginning.reading)
        self._begun = True
        self.metrics.lateness.begin()
        _LOG.info("began", extra={"templates": len(catalog.templates), "orders": len(writer)})
        await together(
            [
                self._following.run(),
                self._reading(),
                self._proving(),
                writer.run(),
                self._rolling(),
                self._watching_others(),
                self._watching_coder(),
                self._renewal.run(),
                standing.watched(),
                standing.blueprints_watched(writer.refuses),
                self._trying_again(),
            ]
        )

    async def drained(self, seconds: float) -> None:
        """Waits for the writes under way, for so long at most."""
        if self._writer is not None:
            with suppress(asyncio.TimeoutError):
                await within(seconds, self._writer.idle())

    async def _beginning(self) -> Beginning:
        """A beginning, tried until there is one, each time with the settings of that time.

        What is wrong with the settings of the very first try is raised.
        """
        trace = ""
        while True:
            try:
                trace = await asyncio.to_thread(self._stack.trace)
                if self._tried:
                    self._settings = await asyncio.to_thread(self._stack.settings)
                    await self._servers.renew(self._settings)
                async with correcting(self._settings):
                    found = await begin(self._stack, self._settings, self._servers.coder, self._servers.port)
            except Refusal:
                raise
            except CoderportError as error:
                if isinstance(error, SettingsError) and not self._tried:
                    raise
                self._not_begun = str(error)
                _LOG.warning("cannot begin", extra={"reason": self._not_begun})
            else:
                return found
            finally:
                self._tried = True
            await until_a_run(self._stack, trace, RETRY_SECONDS)

    def _unfailing(self) -> Health:
        return Health(self.metrics.feed, self._read_all_again, lambda error: corrected(self._settings, error))

    def _read_all_again(self) -> None:
        if self._rereading is not None:
            self._rereading.all_at_once()

    def _rhythm(self, found: Chosen) -> Rhythm:
        assert self._rereading is not None
        rows = len(self._catalog.held[WORKSPACE.identifier])
        return rhythm_of(
            routine_per_minute=self._servers.budget.routine_per_minute,
            sources=found.requests,
            requests_of_reread=2 * len(self._rereading) + rows // PAGE,
            partitions=len(self._rereading),
            resync=self._settings.live.resync.total_seconds(),
            audit=any(feed.name == "audit" for feed in found.feeds),
        )

    # --- what goes on all the time --------------------------------------------------------------------------------

    async def _reading(self) -> None:
        """Looks where the hints point."""

        async def read(hinted: Hinted) -> Reading:
            reading, unseen = await self._reader.read(hinted)
            self._proofs.again(unseen)
            return reading

        await self._looking("reading", self.hints, PER_READING, read)

    async def _proving(self) -> None:
        """Asks what became of what Coder does not show; a mass of it leaves room for the hints."""

        async def prove(hinted: Hinted) -> Reading:
            with patient():
                reading = await self._reader.prove(hinted)
            self._sight.proved(hinted, reading)
            return reading

        await self._looking("proofs", self._proofs, PER_PROOF, prove)

    async def _looking(
        self, name: str, hints: Hints, most: int, look: Callable[[Hinted], Coroutine[Any, Any, Reading]]
    ) -> None:
        pause = 1.0
        while True:
            hinted = await hints.taken(most)
            try:
                reading = await look(hinted)
                await self._identity.insist_on((*reading.workspaces.values(), *reading.templates.values()))
            except CoderError as error:
                self._health.failed(name, error)
                hints.again(hinted)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = 1.0
            self._health.works(name)
            self._order(reading)

    async def _rolling(self) -> None:
        assert self._rereading is not None
        await self._until_partition(rest_of(self._settings.live.resync.total_seconds()))
        while True:
            following = self._rereading.next()
            self._health.keep("re-read", self._rereading.names)
            if following is not None:
                try:
                    reading, unseen = await self._rereading.read(*following)
                    await self._identity.insist_on(reading.workspaces.values())
                except CoderError as error:
                    self._health.failed("re-read", error, following[0])
                    self._rereading.failed(following[0])
                    await asyncio.sleep(1)
                else:
                    self._health.works("re-read", following[0])
                    self._order(reading, rereading=not following[1])
                    await self._looked_whole(bool(unseen))
                    self.hints.add(self._sight.worth_asking(unseen))
            self._misses.settle()
            assert self._following is not None
            await self._until_partition(self._following.rhythm.partition)

    async def _looked_whole(self, misses_some: bool) -> None:
        """Makes sure, from time to time, that the token has not lost sight of anything."""
        if self._sight.is_due(misses_some=misses_some):
            try:
                with routine():
                    await self._sight.look()
            except CoderError as error:
                self._health.failed("rights", error)
            else:
                self._health.works("rights")

    async def _until_partition(self, seconds: float) -> None:
        """Returns after so many seconds, or when a partition is to be read at once."""
        assert self._rereading is not None
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._rereading.is_urgent:
            await asyncio.sleep(min(0.5, max(0.0, until - time.monotonic())))
            self._misses.settle()

    async def _watching_others(self) -> None:
        swept = time.monotonic()
        while True:
            await asyncio.sleep(EVERY)
            try:
                if time.monotonic() - swept >= self._settings.live.resync.total_seconds():
                    hints = await self._others.sweep()
                    swept = time.monotonic()
                else:
                    hints = await self._others.look()
            except PortError as error:
                self._health.failed("port", error)
            else:
                self._health.works("port")
                if hints:
                    self._renewal.soon()
                    self._standing.doubt()
                self._hinted(hints)

    async def _watching_coder(self) -> None:
        """Stops where another Coder answers."""
        while True:
            await asyncio.sleep(IDENTITY_EVERY)
            with suppress(CoderError), routine():
                await self._identity.insist_on_deployment()

    async def _trying_again(self) -> None:
        """Looks again at what Port has refused, after its pause."""
        while True:
            await asyncio.sleep(EVERY)
            due = self._catalog.refused.due(datetime.now(timezone.utc))
            self.hints.add(Hint(key, Event(OTHERS)) for key in due)

    def _others_are_called(self) -> None:
        """Organizations or people have other names: all is read again."""
        self._read_all_again()
        self.hints.add(Hint(Ref(TEMPLATE.identifier, each), Event(REREAD)) for each in self._catalog.templates)
        if self._following is not None:
            self._following.choose_again()

    # --- what comes of it -----------------------------------------------------------------------------------------

    def _hinted(self, hints: tuple[Hint, ...]) -> None:
        for hint in hints:
            self.metrics.hinted(hint)
            self._misses.hinted(hint.key, hint.event.feed)
        self.hints.add(hints)

    async def _permitted(self) -> None:
        """Returns once something may be written: no run has come by, and what goes is kept."""
        await self._standing.insisted()
        await self._ledger.kept()

    def _revived(self, key: Ref) -> None:
        self._deletions.revived(key, datetime.now(timezone.utc))
        self._standing.doubt()

    def _order(self, reading: Reading, *, rereading: bool = False) -> None:
        assert self._writer is not None and self._following is not None
        self._sight.seen(reading)
        held_before = len(self._deletions.held)
        orders = self._catalog.judged(reading, datetime.now(timezone.utc))
        for order in orders:
            if rereading or is_late_deletion(order):
                pointed = self.hints.feeds_of(order.key) | self._proofs.feeds_of(order.key)
                self._misses.found(order.key, self._following.suspects(order), pointed)
            if order.key.blueprint == TEMPLATE.identifier and "active_version_id" in order.properties:
                self._promoted(order)
        self._writer.put(orders)
        if len(self._deletions.held) > held_before:
            _LOG.error("deletions held", extra={"count": len(self._deletions.held), "reason": self._release()})

    def _promoted(self, order: Order) -> None:
        template = self._catalog.templates.get(order.key.identifier)
        if template is not None and self._rereading is not None and not order.created:
            self._rereading.urgent(template.name.lower(), order.events)

    def _has_looked(self, place: Place, since: float) -> bool | None:
        return self._following.has_looked(place, since) if self._following is not None else None
