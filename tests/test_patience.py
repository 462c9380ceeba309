"""How long a server is waited for: both clients, whatever the server does. Hours of waiting are in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import broken_servers
import httpx
import pytest

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderAnswerError, CoderError, CoderRateLimited
from coderport.errors import CoderportError, SettingsError
from coderport.port.client import PortClient
from coderport.port.errors import PortError, PortRateLimited, PortUnreachable
from coderport.port.limits import RateLimits
from coderport.terminal.progress import Silent, watched
from coderport.transport.patience import Again, Patience, Persistence, Waits, retry_after
from simulation.clock import VirtualTime

ONCE = Patience(first_contact=60, pause=60)
"""One try, with all the time that a busy machine needs for it."""
HASTY = Patience(first_contact=0.5, answer=0.5, outage=0.5, answer_bytes=10_000_000, pause=0.05)
GOOD = {"port": {"ok": True, "blueprint": {"identifier": "b"}}, "coder": {"version": "v2", "deployment_id": "d"}}

Ask = Callable[[Any], Awaitable[object]]


class Heard(Silent):
    """Keeps what a person is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def said(self, text: str) -> None:
        self.texts.append(text)


def client_of(
    server: str,
    url: str,
    patience: Patience,
    transport: httpx.AsyncBaseTransport | None = None,
    waits: Waits | None = None,
) -> Any:
    if server == "coder":
        return CoderClient(url, "token", patience=patience, transport=transport, waits=waits)
    return PortClient(url, "id", "secret", token="t", patience=patience, transport=transport, waits=waits)


async def asked(server: str, client: Any) -> object:
    return await (client.build_info() if server == "coder" else client.blueprint("b"))


# --- over sockets


@pytest.mark.parametrize("server", ["coder", "port"])
@pytest.mark.parametrize(
    "broken",
    [
        broken_servers.refusing,
        broken_servers.dropping,
        *(
            partial(broken_servers.served, handler)
            for handler in (
                broken_servers.silent,
                broken_servers.drips_the_head,
                broken_servers.drips_the_body,
                broken_servers.resets,
                broken_servers.no_http,
            )
        ),
    ],
    ids=["refused", "dropped", "silent", "drips the head", "drips the body", "resets", "no HTTP"],
)
def test_a_first_contact_that_fails_in_any_way_is_given_up_and_says_so(server: str, broken: Any) -> None:
    async def first(url: str) -> str:
        async with client_of(server, url, HASTY) as client:
            with pytest.raises((CoderError, PortError)) as caught:
                await asked(server, client)
        return str(caught.value)

    with broken() as url:
        text = asyncio.run(first(url))
    assert "cannot be reached" in text or "did not answer" in text, text


@pytest.mark.parametrize("server", ["coder", "port"])
def test_a_name_that_nobody_knows_is_given_up_and_said(server: str) -> None:
    async def first() -> str:
        async with client_of(server, "https://unknown.invalid", HASTY) as client:
            with pytest.raises((CoderError, PortError)) as caught:
                await asked(server, client)
        return str(caught.value)

    assert "unknown.invalid" in asyncio.run(first())


@pytest.mark.parametrize("server", ["coder", "port"])
def test_an_answer_without_end_is_not_read_to_its_end_nor_asked_for_again(server: str) -> None:
    async def first(url: str) -> int:
        async with client_of(server, url, Patience(answer_bytes=1_000_000)) as client:
            with pytest.raises((CoderAnswerError, PortUnreachable), match="sends no end"):
                await asked(server, client)
            return int(client.requests)

    with broken_servers.served(broken_servers.endless) as url:
        assert asyncio.run(first(url)) == 1


@pytest.mark.parametrize("server", ["coder", "port"])
@pytest.mark.parametrize("how", [("gzip", "gzip"), ("gzip", "identity", "gzip"), ("br",), ("zstd",)], ids=" in ".join)
def test_an_answer_that_is_packed_as_nobody_asked_is_not_unpacked(server: str, how: tuple[str, ...]) -> None:
    """Packed twice, 6 kB are gigabytes, within one step of the reading: no deadline and no size is looked at there."""

    async def first(url: str) -> None:
        async with client_of(server, url, Patience()) as client:
            with pytest.raises((CoderAnswerError, PortUnreachable), match="packed in a way that was not asked for"):
                await asked(server, client)
            assert client.requests == 1

    with broken_servers.served(broken_servers.packed(*how)) as url:
        asyncio.run(first(url))


@pytest.mark.parametrize("server", ["coder", "port"])
def test_json_that_is_nested_without_end_is_an_answer_cut_off(server: str) -> None:
    async def first(url: str) -> str:
        async with client_of(server, url, ONCE) as client:
            with pytest.raises((CoderError, PortError)) as caught:
                await asked(server, client)
        return str(caught.value)

    with broken_servers.served(broken_servers.nested) as url:
        text = asyncio.run(first(url))
    assert "cut" in text, text


# --- in virtual time


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualTime]:
    loop = VirtualTime()
    monkeypatch.setattr("coderport.port.session.RateLimits", partial(RateLimits, loop.clock))
    monkeypatch.setattr("coderport.transport.patience.time", SimpleNamespace(monotonic=loop.time, time=loop.clock))
    yield loop
    loop.close()


class Talk:
    """A conversation in virtual time: when each request was sent, how it ended, and what a person was told."""

    def __init__(self, loop: VirtualTime, server: str, patience: Patience | None = None) -> None:
        self.loop, self.server, self.patience = loop, server, patience or Patience()
        self.times: list[float] = []
        self.heard = Heard()
        self.error: CoderportError | None = None
        self.waited = 0.0

    def run(self, answer: Callable[[int], httpx.Response | Exception], calls: int = 1) -> None:
        async def handle(request: httpx.Request) -> httpx.Response:
            self.times.append(self.loop.time())
            assert len(self.times) < 1000, "a flood, or a wait without end"
            given = answer(len(self.times))
            if isinstance(given, Exception):
                raise given
            return given

        async def talk() -> None:
            async with client_of(self.server, "https://s.test", self.patience, httpx.MockTransport(handle)) as client:
                try:
                    for _ in range(calls):
                        await asked(self.server, client)
                except CoderportError as error:
                    self.error = error
                self.waited = client.waited

        with watched(self.heard):
            self.loop.run_until_complete(talk())

    @property
    def most_in_a_second(self) -> int:
        """Of the requests after the first, which was answered."""
        tries = self.times[1:]
        return max(sum(start <= each < start + 0.999 for each in tries) for start in tries)


@pytest.mark.parametrize("status", [502, 401])
def test_many_who_wait_for_a_token_do_not_all_ask_for_it_when_that_fails(
    loop: VirtualTime, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coderport.port.session.time", SimpleNamespace(monotonic=loop.time))
    tokens: list[float] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)
        if request.url.path != "/v1/auth/access_token":
            return good("port")
        tokens.append(loop.time())
        if len(tokens) < 4:
            return httpx.Response(status, json={"ok": False, "error": "no"})
        return httpx.Response(200, json={"ok": True, "accessToken": "t", "expiresIn": 3600})

    async def talk() -> list[object]:
        async with PortClient("https://s.test", "id", "secret", transport=httpx.MockTransport(handle)) as client:
            return list(await asyncio.gather(*(client.blueprint("b") for _ in range(20)), return_exceptions=True))

    answers = loop.run_until_complete(talk())
    assert all(later - sooner >= 0.95 for sooner, later in pairwise(tokens))
    if status == 502:
        assert len(tokens) == 4
        assert not [each for each in answers if isinstance(each, BaseException)]
    else:  # a refusal is everybody's, and not asked for again
        assert len(tokens) == 1
        assert all(isinstance(each, PortError) for each in answers)


def good(server: str) -> httpx.Response:
    return httpx.Response(200, json=GOOD[server])


def later(server: str, trouble: Callable[[], httpx.Response | Exception]) -> Callable[[int], Any]:
    """One good answer, then trouble for good."""
    return lambda number: good(server) if number == 1 else trouble()


@pytest.mark.parametrize("server", ["coder", "port"])
@pytest.mark.parametrize(
    "asks", ["0", "0.0001", "-1", "nan", "inf", "soon", "", "Wed, 21 Oct 2015 07:28:00 GMT", "1e-9", None]
)
def test_a_429_is_never_repeated_more_than_once_a_second_nor_without_end(
    loop: VirtualTime, server: str, asks: str | None
) -> None:
    talk = Talk(loop, server)
    headers = {} if asks is None else {"retry-after": asks}
    talk.run(later(server, lambda: httpx.Response(429, json={"message": "no"}, headers=headers)), calls=2)
    assert isinstance(talk.error, (CoderRateLimited, PortRateLimited))
    assert len(talk.times) > 10
    assert talk.most_in_a_second == 1
    assert talk.times[-1] - talk.times[1] <= talk.patience.limited
    assert [text for text in talk.heard.texts if "trying again until" in text]


@pytest.mark.parametrize("server", ["coder", "port"])
@pytest.mark.parametrize("asks", ["31536000", "1e300", "Wed, 21 Oct 2999 07:28:00 GMT", "331"])
def test_a_wait_beyond_the_budget_is_not_begun_and_its_length_is_said(
    loop: VirtualTime, server: str, asks: str
) -> None:
    talk = Talk(loop, server)
    talk.run(later(server, lambda: httpx.Response(429, json={"message": "no"}, headers={"retry-after": asks})), calls=2)
    assert isinstance(talk.error, (CoderRateLimited, PortRateLimited))
    assert len(talk.times) == 2 and loop.time() < 1
    assert "asks to wait for" in str(talk.error)


@pytest.mark.parametrize("server", ["coder", "port"])
def test_a_wait_within_the_budget_is_kept_and_said(loop: VirtualTime, server: str) -> None:
    talk = Talk(loop, server)
    limited = httpx.Response(429, json={"message": "no"}, headers={"retry-after": "90"})
    talk.run(lambda number: limited if number == 2 else good(server), calls=2)
    assert talk.error is None
    assert talk.times[2] - talk.times[1] >= 90
    assert len(talk.heard.texts) == 1


@pytest.mark.parametrize("server", ["coder", "port"])
@pytest.mark.parametrize(
    "trouble",
    [
        lambda: httpx.Response(502, html="<h1>bad gateway</h1>"),
        lambda: httpx.Response(408, html="<h1>request timeout</h1>"),
        lambda: httpx.Response(408, json={"message": "no", "ok": False, "error": "timeout"}),
        lambda: httpx.Response(500, json={"message": "no", "ok": False, "error": "internal_error"}),
        lambda: httpx.Response(200, content=b'{"a', headers={"content-type": "application/json"}),
        lambda: httpx.ConnectError("refused"),
        lambda: httpx.ReadError("reset"),
    ],
    ids=["502", "408 of a gateway", "408", "500", "cut", "refused", "reset"],
)
def test_an_outage_is_tried_within_its_budget_at_most_once_a_second_and_said_once(
    loop: VirtualTime, server: str, trouble: Callable[[], httpx.Response | Exception]
) -> None:
    talk = Talk(loop, server)
    talk.run(later(server, trouble), calls=2)
    assert isinstance(talk.error, (CoderError, PortError))
    assert 5 < len(talk.times) < 60
    assert talk.most_in_a_second == 1
    assert talk.patience.outage - talk.patience.longest_pause <= loop.time() <= talk.patience.outage
    assert len(talk.heard.texts) == 1 and "trying again until" in talk.heard.texts[0]
    assert talk.waited == pytest.approx(loop.time())


@pytest.mark.parametrize("server", ["coder", "port"])
def test_what_is_asked_next_after_a_request_was_given_up_waits_for_a_second_too(loop: VirtualTime, server: str) -> None:
    times: list[float] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        times.append(loop.time())
        return good(server) if len(times) == 1 else httpx.Response(502, html="<h1>bad gateway</h1>")

    async def talk() -> None:
        async with client_of(server, "https://s.test", Patience(), httpx.MockTransport(handle)) as client:
            await asked(server, client)
            for _ in range(3):
                with pytest.raises((CoderError, PortError)):
                    await asked(server, client)

    loop.run_until_complete(talk())
    assert len(times) > 20
    assert all(later - sooner >= 0.999 for sooner, later in pairwise(times[1:]))


@pytest.mark.parametrize("server", ["coder", "port"])
@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_a_server_that_never_worked_is_given_up_soon(loop: VirtualTime, server: str, status: int) -> None:
    talk = Talk(loop, server)
    talk.run(lambda _: httpx.Response(status, html="<h1>down</h1>"))
    assert str(status) in str(talk.error)
    assert 2 < len(talk.times) <= 12
    assert loop.time() <= talk.patience.first_contact


@pytest.mark.parametrize("server", ["coder", "port"])
def test_a_command_spends_no_more_than_its_budget_on_outages(loop: VirtualTime, server: str) -> None:
    """Each request alone would be tried for three minutes; together they have less."""
    talk = Talk(loop, server, Patience().after(800))
    talk.run(lambda number: good(server) if number in (1, 20, 21) else httpx.Response(503), calls=10)
    assert isinstance(talk.error, (CoderError, PortError))
    assert talk.waited <= 100 + 1


@pytest.mark.parametrize("together", [True, False], ids=["at once", "in turn"])
def test_both_servers_share_the_budget_of_their_command(loop: VirtualTime, together: bool) -> None:
    """Two that fail at once cost their seconds once; in turn, each gets what the other has left."""
    heard, waits, seen = Heard(), Waits(), dict.fromkeys(("coder", "port"), 0)

    async def fails_for_two_minutes(server: str) -> None:
        """Again and again, with one good answer between."""
        began = 0.0

        def handle(request: httpx.Request) -> httpx.Response:
            seen[server] += 1
            if loop.time() - began > 120 or seen[server] == 1:
                return good(server)
            return httpx.Response(503)

        transport = httpx.MockTransport(handle)
        async with client_of(server, "https://s.test", Patience(), transport, waits=waits) as client:
            while True:
                await asked(server, client)
                began = loop.time()

    async def command() -> None:
        if together:
            found = await asyncio.gather(*map(fails_for_two_minutes, seen), return_exceptions=True)
        else:
            found = [*await asyncio.gather(fails_for_two_minutes("port"), return_exceptions=True)]
            before = loop.time()
            found += await asyncio.gather(fails_for_two_minutes("coder"), return_exceptions=True)
            assert loop.time() - before < 5, "nothing is left for the other"
        assert all(isinstance(each, CoderError | PortError) for each in found), found

    with watched(heard):
        loop.run_until_complete(command())
    assert Patience().command - 35 <= waits.seconds <= Patience().command + 1
    assert loop.time() <= Patience().command + 60
    assert any("when all that a command waits for servers is spent" in text for text in heard.texts)
    assert any("given up. All that a command waits for servers that fail is spent" in text for text in heard.texts)


def test_what_a_command_has_spent_counts_in_the_processes_that_it_starts(loop: VirtualTime) -> None:
    waits = Waits(before=lambda: 300.0)
    assert waits.left(900, loop.time()) == 600
    waits.began("port", loop.time())
    loop.run_until_complete(asyncio.sleep(50))
    waits.began("coder", loop.time())
    assert waits.left(900, loop.time()) == 550
    waits.ended("port")
    loop.run_until_complete(asyncio.sleep(10))
    waits.ended("coder")
    waits.ended("coder")
    loop.run_until_complete(asyncio.sleep(1000))
    assert waits.left(900, loop.time()) == 540


def test_what_a_working_server_has_not_made_yet_is_waited_for_within_its_seconds(loop: VirtualTime) -> None:
    """Also where the command has nothing left for servers that fail; at most once a second, and in silence."""
    times: list[float] = []
    heard: list[str] = []
    persistence = Persistence(Patience().after(10_000), heard.append)

    async def attempt() -> None:
        times.append(loop.time())
        persistence.answered()
        raise Again(PortError("not made yet"), within=15.0)

    with pytest.raises(PortError, match="not made yet"):
        loop.run_until_complete(persistence.repeated(attempt))
    assert len(times) >= 4 and persistence.retries == len(times) - 1
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))
    assert 12 < times[-1] - times[0] <= 15
    assert not heard and persistence.waits.seconds == 0


def test_a_service_is_no_command() -> None:
    assert Patience().after(10_000).command == 0
    assert Patience().without_end().after(10_000).command > 10**9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("7", 7.0), ("0", 0.0), ("-1", None), ("nan", None), ("inf", None), ("soon", None), ("", None)),
        *(("\u0663", None), ("1_0", None), ("1e400", None), ("1e9", 1e9), ("9" * 5000, None)),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
    ],
)
def test_only_a_number_that_is_one_is_a_wait(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_a_date_is_measured_on_the_servers_clock() -> None:
    headers = {"date": "Wed, 01 Jan 2020 00:00:00 GMT", "retry-after": "Wed, 01 Jan 2020 00:00:30 GMT"}
    assert retry_after(headers) == 30


def test_the_environment_says_how_long() -> None:
    short = Patience.of({"CODERPORT_PATIENCE": "5"})
    assert (short.first_contact, short.answer, short.outage, short.limited, short.command) == (5, 5, 5, 5, 25)
    assert Patience.of({"CODERPORT_PATIENCE": "5", "CODERPORT_WAITED": "20"}).command == 5
    assert Patience.of({}) == Patience()
    for wrong in ("0", "-1", "nan", "soon", "1e300", "86401"):
        with pytest.raises(SettingsError, match="CODERPORT_PATIENCE"):
            Patience.of({"CODERPORT_PATIENCE": wrong})
