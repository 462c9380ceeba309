"""The service as a process: what strangers do with sockets, a disk that is full, a write-ahead log that is removed."""

from __future__ import annotations

import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from service_deployment import Deployment
from service_lab import compact, run_id, signed
from test_service_load import Life

from coderport.emulators.kit import serve

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def deployment() -> Iterator[str]:
    with serve(Deployment(runs_each=5).app) as served:
        yield served.url


def connected(life: Life) -> socket.socket:
    at = urlsplit(life.url)
    return socket.create_connection((at.hostname, at.port or 0), timeout=60)


def received(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def healthy(life: Life) -> bool:
    return httpx.get(f"{life.url}/healthz", timeout=60).status_code == 200


def called(life: Life, number: int, *, again: bool = False) -> int:
    """The status of the answer. `again`: Port calls once more, in another second, or it would be the same request."""
    body = compact({"run_id": run_id(number)})
    headers = signed(body, at=time.time() + again)
    return httpx.post(f"{life.url}/runs", content=body, headers=headers, timeout=60).status_code


def test_pipelined_requests_huge_headers_and_idle_connections_hurt_nobody(tmp_path: Path, deployment: str) -> None:
    life = Life(tmp_path / "runs.sqlite", deployment, 1024)
    with connected(life) as one:
        one.sendall(HEALTH * 50 + HEALTH.replace(b"Host", b"Connection: close\r\nHost"))
        assert received(one).count(b"HTTP/1.1 200") == 51
    with connected(life) as one:
        with suppress(BrokenPipeError, ConnectionResetError):
            one.sendall(b"POST /runs HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000_000)
        assert received(one)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"")
    idle = []
    for _ in range(1000):
        idle.append(connected(life))
        idle[-1].sendall(HEALTH)
    assert healthy(life) and called(life, 1) == 202
    for each in idle:
        each.close()
    assert life.end(signal.SIGTERM) == 0
    assert life.log_bytes < 100_000


def test_a_full_disk_takes_no_run_on_and_the_next_call_is_taken(tmp_path: Path, deployment: str) -> None:
    life = Life(tmp_path / "runs.sqlite", deployment)
    assert called(life, 1) == 202
    log = tmp_path / "runs.sqlite-wal"
    before = resource.prlimit(life.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
    statuses = {called(life, number) for number in range(2, 5)}
    assert statuses == {503}, statuses
    assert healthy(life)
    resource.prlimit(life.pid, resource.RLIMIT_FSIZE, before)
    assert called(life, 2) == 202
    assert life.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(("end", "said"), [(signal.SIGTERM, False), (signal.SIGKILL, True)], ids=["ended", "killed"])
def test_a_write_ahead_log_that_is_removed_while_it_runs_loses_nothing_or_is_said(
    tmp_path: Path, deployment: str, end: signal.Signals, said: bool
) -> None:
    life = Life(tmp_path / "runs.sqlite", deployment)
    (tmp_path / "runs.sqlite-wal").unlink()
    assert called(life, 1) == 202
    life.end(end)
    after = Life(tmp_path / "runs.sqlite", deployment)
    assert any("the write-ahead log" in str(line) for line in after.log) is said
    if not said:
        assert called(after, 1, again=True) == 202
    assert after.end(signal.SIGTERM) == 0
