"""A network like a company's: a proxy that notes what it is sent, and a server behind a certificate of an own CA."""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

BUILDINFO = {"version": "v2.20.0+abc", "deployment_id": "8d0a8b51-0f3a-4bb1-a8f5-5d3f9f6c9a11"}


class Proxy:
    """An HTTP and SOCKS5 proxy on loopback. Whatever it is asked for, it connects to `target`.

    `seen` holds all bytes that it understands: what goes through a tunnel in clear would be among them. `tunnels` holds
    the hosts it was asked for. With `answer` it refuses HTTP with that status line.
    """

    def __init__(self, target: tuple[str, int] | None = None, answer: str = "") -> None:
        self.seen: list[bytes] = []
        self.tunnels: list[str] = []
        self._target, self._answer = target, answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # it wakes who waits in accept, which would keep it open
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            first = connection.recv(65536)
            self.seen.append(first)
            if first[:1] == b"\x05":
                self._socks(connection, first)
            elif self._answer or self._target is None or not first.startswith(b"CONNECT "):
                refusal = self._answer or "403 Forbidden"
                connection.sendall(f"HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n".encode())
            else:
                self.tunnels.append(first.split(b" ")[1].decode())
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._tunnel(connection)

    def _socks(self, connection: socket.socket, greeting: bytes) -> None:
        if b"\x02" in greeting[2:]:
            connection.sendall(b"\x05\x02")
            self.seen.append(connection.recv(1024))
            connection.sendall(b"\x01\x00")
        else:
            connection.sendall(b"\x05\x00")
        request = connection.recv(1024)
        length = request[4]
        (port,) = struct.unpack(">H", request[5 + length : 7 + length])
        self.tunnels.append(f"{request[5 : 5 + length].decode()}:{port}")
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        self._tunnel(connection)

    def _tunnel(self, near: socket.socket) -> None:
        assert self._target is not None
        with socket.create_connection(self._target) as far:
            other = {near: far, far: near}
            while True:
                for each in select.select(list(other), [], [])[0]:
                    data = each.recv(65536)
                    if not data:
                        return
                    self.seen.append(data)
                    other[each].sendall(data)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: list[dict[str, str]]

    def do_GET(self) -> None:
        self.received.append(dict(self.headers))
        body = json.dumps(BUILDINFO).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


class SecureServer:
    """An HTTPS server on loopback that answers every GET as Coder's `/buildinfo`, for any name of `*.corp.example`."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = folder / "company-ca.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("*.corp.example", "localhost").configure_cert(context)
        self.received: list[dict[str, str]] = []
        handler = type("Handler", (_Handler,), {"received": self.received})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address: tuple[str, int] = ("127.0.0.1", self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def proxy_to(target: tuple[str, int] | None = None, answer: str = "") -> Iterator[Proxy]:
    proxy = Proxy(target, answer)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def secure_server(folder: Path) -> Iterator[SecureServer]:
    server = SecureServer(folder)
    try:
        yield server
    finally:
        server.close()
