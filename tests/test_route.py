"""Which proxy a server is reached by, whose certificates are trusted, and what is said where that cannot be."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import broken_servers
import pytest
import truststore
from broken_servers import refusing
from network import Proxy, SecureServer, proxy_to, secure_server

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderUnreachable
from coderport.commands import cli
from coderport.errors import SettingsError
from coderport.port.client import PortClient
from coderport.port.errors import PortUnreachable
from coderport.transport.loopback import spare
from coderport.transport.patience import Patience
from coderport.transport.route import goes_direct, route_to
from coderport.transport.tls import tls_context

TOKEN = "tok-en-0123456789"
HASTY = Patience(first_contact=1.0, pause=0.05)
CODER = "https://coder.corp.example"
PASSWORD = "pr0xyPass"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SecureServer]:
    with secure_server(tmp_path) as running:
        yield running


@pytest.fixture
def proxy(server: SecureServer) -> Iterator[Proxy]:
    with proxy_to(server.address) as running:
        yield running


def version(url: str = CODER) -> str:
    """What Coder at the address says of itself: one request on a connection of its own."""

    async def asked() -> str:
        async with CoderClient(url, TOKEN) as client:
            return (await client.build_info()).version

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("exceptions", "host", "port", "direct"),
    [
        ("*", "coder.corp", 443, True),
        ("localhost, *", "coder.corp", 443, True),
        ("localhost,[::1]", "coder.corp", 443, False),
        ("coder.corp", "coder.corp", 443, True),
        ("CODER.corp", "Coder.Corp", 443, True),
        ("corp", "coder.corp", 443, True),
        (".corp", "coder.corp", 443, True),
        ("*.corp", "coder.corp", 443, True),
        (".corp.", "coder.corp.", 443, True),
        ("orp", "coder.corp", 443, False),
        ("coder.corp", "evilcoder.corp", 443, False),
        ("coder.corp:8443", "coder.corp", 443, False),
        ("coder.corp:8443", "coder.corp", 8443, True),
        ("https://coder.corp/", "coder.corp", 443, True),
        ("a.example coder.corp", "coder.corp", 443, True),
        ("10.0.0.0/8", "10.2.3.4", 443, True),
        ("10.0.0.0/8", "11.2.3.4", 443, False),
        ("10.0.0.0/8", "coder.corp", 443, False),
        ("10.2.3.4", "10.2.3.4", 443, True),
        ("10.2.3.4:443", "10.2.3.4", 443, True),
        ("10.2.3.4:80", "10.2.3.4", 443, False),
        ("fd00::/8", "fd12:3456::1", 443, True),
        ("[fd00::]/8", "fd12:3456::1", 443, True),
        ("fd12:3456::1", "fd12:3456:0::1", 443, True),
        ("[fd12:3456::1]:443", "fd12:3456::1", 443, True),
        ("[fd12:3456::1]:80", "fd12:3456::1", 443, False),
        ("", "coder.corp", 443, False),
        (",, ,", "coder.corp", 443, False),
        (".", "coder.corp", 443, False),
        ("///,::::,[,10.0.0.0/99", "coder.corp", 443, False),
    ],
)
def test_no_proxy_is_read_as_curl_and_go_read_it(exceptions: str, host: str, port: int, direct: bool) -> None:
    assert goes_direct(host, port, exceptions) is direct


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_server_outside_is_reached_by_the_proxy_and_the_token_stays_within_tls(
    variable: str, server: SecureServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    monkeypatch.setenv(variable, f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
    assert version().startswith("v2.20.0")
    assert proxy.tunnels == ["coder.corp.example:443"]
    assert b"proxy-authorization: basic" in proxy.seen[0].lower()
    assert not any(TOKEN.encode() in each for each in proxy.seen)
    assert [each["Coder-Session-Token"] for each in server.received] == [TOKEN]
    assert "Proxy-Authorization" not in server.received[0]


@pytest.mark.parametrize("kind", ["socks5", "socks5h"])
@pytest.mark.parametrize("credentials", ["", f"user:{PASSWORD}@"])
def test_a_socks_proxy_serves_and_looks_names_up_itself(
    kind: str, credentials: str, server: SecureServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    monkeypatch.setenv("ALL_PROXY", f"{kind}://{credentials}127.0.0.1:{proxy.port}")
    assert version().startswith("v2.20.0")
    assert proxy.tunnels == ["coder.corp.example:443"]
    assert not any(TOKEN.encode() in each for each in proxy.seen)


@pytest.mark.parametrize(
    "variable", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
)
@pytest.mark.parametrize("no_proxy", ["", "localhost,[::1]", "fd00::/8", ".corp"])
@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1", "http://127.9.9.9:1", "http://[::1]:1", "http://localhost:1", "https://LOCALHOST:1"],
)
def test_this_machine_is_never_reached_by_a_proxy(
    variable: str, no_proxy: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://proxy.corp:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert route_to(address).proxy is None


def test_an_error_that_says_nothing_itself_is_told_in_words() -> None:
    async def asked(url: str) -> str:
        async with CoderClient(url, TOKEN, patience=HASTY) as client:
            return (await client.build_info()).version

    with broken_servers.served(broken_servers.resets) as url, pytest.raises(CoderUnreachable) as told:
        asyncio.run(asked(url))
    assert "the connection was reset before its answer was whole" in str(told.value)


@pytest.mark.parametrize("address", ["http://coder.example", "http://127.0.0.1.nip.io", "http://127.evil.example"])
def test_no_client_is_opened_that_would_send_a_token_in_clear(address: str) -> None:
    with pytest.raises(SettingsError, match="must be https"):
        CoderClient(address, TOKEN)
    with pytest.raises(SettingsError, match="must be https"):
        PortClient(address, "id", TOKEN)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("socks4://proxy.corp:1080", "of the kind socks4://"),
        ("socks://proxy.corp:1080", "of the kind socks://"),
        ("ftp://proxy.corp", "of the kind ftp://"),
        (f"http://user:{PASSWORD}@:3128", "is not the address of a proxy"),
        (f"http://user:{PASSWORD}@proxy.corp:no", "is not the address of a proxy"),
        ("http://proxy.corp:99999", "is not the address of a proxy"),
        (f"http://user:{PASSWORD}/x@proxy.corp", "is not the address of a proxy"),
        ("http://", "is not the address of a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_a_wrong_setting_named_by_its_variable(
    value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(SettingsError, match=f"^HTTPS_PROXY .*{said}|^HTTPS_PROXY {said}") as raised:
        route_to(CODER)
    assert PASSWORD not in str(raised.value)
    route_to("http://127.0.0.1:1")  # which needs no proxy


def test_what_a_proxy_refuses_is_told_with_its_name_and_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy_to(answer="407 Proxy Authentication Required") as proxy:
        monkeypatch.setenv("https_proxy", f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("CODERPORT_PATIENCE", "1")
        with pytest.raises(CoderUnreachable) as raised:
            version()
    said = f"the proxy http://127.0.0.1:{proxy.port} (https_proxy) says: 407 Proxy Authentication Required"
    assert said in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_a_proxy_where_nobody_listens_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked() -> None:
        async with PortClient("https://port.corp.example", "id", TOKEN, patience=HASTY) as client:
            await client.blueprint("workspace")

    with refusing() as address:
        monkeypatch.setenv("https_proxy", address)
        with pytest.raises(PortUnreachable) as raised:
            asyncio.run(asked())
    assert f"(by the proxy {address} (https_proxy))" in str(raised.value)


def test_a_server_of_a_companys_own_ca_is_trusted_where_the_environment_names_the_ca(
    server: SecureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://localhost:{server.address[1]}"
    with monkeypatch.context() as hasty, pytest.raises(CoderUnreachable, match=r"signed it: .* SSL_CERT_FILE"):
        hasty.setenv("CODERPORT_PATIENCE", "1")
        version(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    assert version(url).startswith("v2.20.0")


def test_a_folder_of_certificates_counts_beside_the_file(
    tmp_path: Path, server: SecureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    shutil.copy(server.authority, folder / subject_hash(server.authority))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert version(f"https://localhost:{server.address[1]}").startswith("v2.20.0")


def test_only_what_is_named_is_trusted(tmp_path: Path, server: SecureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with secure_server(other) as stranger:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        monkeypatch.setenv("CODERPORT_PATIENCE", "1")
        with pytest.raises(CoderUnreachable, match="Only what SSL_CERT_FILE names is trusted"):
            version(f"https://localhost:{stranger.address[1]}")


def test_without_a_word_of_the_environment_the_systems_store_counts() -> None:
    assert isinstance(tls_context(), truststore.SSLContext)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", ["missing", "empty", "wrong"])
@pytest.mark.parametrize("address", ["https://coder.example", "http://127.0.0.1:1"])
def test_certificates_that_cannot_be_read_are_a_wrong_setting_named_by_its_variable(
    variable: str, kind: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    if kind == "empty":
        named.mkdir() if variable == "SSL_CERT_DIR" else named.touch()
    if kind == "wrong":
        named.mkdir() if variable == "SSL_CERT_FILE" else named.write_text("no certificate")
    monkeypatch.setenv(variable, str(named))
    with pytest.raises(SettingsError, match=f"^{variable} names {named}"):
        route_to(address)


def test_grpc_is_told_to_reach_this_machine_without_a_proxy() -> None:
    environment = {"HTTP_PROXY": "http://proxy.corp:3128", "NO_PROXY": ".corp, 127.0.0.1", "no_grpc_proxy": "x"}
    spare(environment)
    assert environment["no_proxy"] == ".corp, 127.0.0.1,localhost,::1"
    assert environment["no_grpc_proxy"] == "x,localhost,127.0.0.1,::1"
    again = dict(environment)
    spare(again)
    assert again == environment


def test_an_environment_without_a_proxy_is_left_as_it_is() -> None:
    environment = {"PATH": "/bin", "http_proxy": ""}
    spare(environment)
    assert environment == {"PATH": "/bin", "http_proxy": ""}


def subject_hash(certificate: Path) -> str:
    """The file name under which OpenSSL looks for the certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here, which names a certificate by its subject")
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    return f"{subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}.0"


def test_name_servers_that_do_not_answer_are_waited_for_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """By glibc's defaults a first contact took 27 seconds with two of them: a lookup cannot be cancelled."""
    monkeypatch.setattr(cli, "app", lambda **_: None)
    monkeypatch.setattr(cli, "open_outlets", lambda: None)
    monkeypatch.setenv("RES_OPTIONS", "ndots:1")
    cli.main()
    assert os.environ["RES_OPTIONS"] == "ndots:1"
    monkeypatch.delenv("RES_OPTIONS")
    cli.main()
    assert os.environ["RES_OPTIONS"] == "timeout:1 attempts:2"
