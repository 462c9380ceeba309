"""Which addresses a token may be sent to: https anywhere, http to this machine alone."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderport.emulators.pair import Pair
from coderport.errors import SettingsError
from coderport.provider.config import load, problems
from coderport.settings import load_settings
from coderport.transport.address import http_address, is_in_clear, is_loopback, server_address

OUTSIDE = (
    "http://127.evil.example",
    "http://127.0.0.1.nip.io",
    "http://localhost.evil.example",
    "http://localhost.",
    "http://sub.localhost",
    "http://0x7f.1",
    "http://2130706433",
    "http://127.1",
    "http://0.0.0.0",
    "http://[::]",
    "http://[::ffff:1.2.3.4]",
    "http://[::ffff:10.0.0.1]:80",
    "http://10.0.0.1",
    "http://localhost%00.evil.example",
    "http://localhost%2eevil.example",
    "http://coder.example.com",
)
NO_ADDRESS = (
    "http://127.0.0.1@evil.example",
    "http://localhost:80@evil.example",
    "http://localhost\\@evil.example",
    "http://localhost\\.evil.example",
    "http://evil.example#@127.0.0.1",
    "http://evil.example?@127.0.0.1",
    "http://127.0.0.1:80:90",
    "http://127.0.0.1:99999",
    "http://local host",
    "http://0177.0.0.1",
    "http://[::1",
    "http://",
    "http:///127.0.0.1",
    "//127.0.0.1",
    "127.0.0.1",
    "ftp://127.0.0.1",
    "https://xn--zzz--",
)
HERE = (
    "http://127.0.0.1",
    "http://127.0.0.1:17080",
    "http://127.255.255.254",
    "http://localhost",
    "http://LOCALHOST:80",
    "http://[::1]:80",
    "http://[::ffff:127.0.0.1]",
)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_only_looks_like_this_machine_is_outside(address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(ValueError):
        server_address(address)
    assert server_address(address.replace("http:", "https:", 1))


@pytest.mark.parametrize("address", NO_ADDRESS)
def test_what_two_readers_could_take_for_two_hosts_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        http_address(address)


@pytest.mark.parametrize("address", HERE)
def test_this_machine_may_be_spoken_to_in_clear(address: str) -> None:
    assert is_loopback(address) and not is_in_clear(address)
    assert server_address(f"{address}/v1/", "/v1") == address


@given(st.ip_addresses())
def test_an_address_is_this_machine_exactly_where_python_says_so(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    mapped = getattr(address, "ipv4_mapped", None) or address
    assert is_loopback(f"http://{host}:80") is bool(mapped.is_loopback)


@pytest.mark.parametrize("address", (*OUTSIDE, *NO_ADDRESS))
def test_settings_and_provider_refuse_to_send_a_token_there(address: str) -> None:
    with pytest.raises(SettingsError, match="coderport:coderApiBaseUrl must"):
        load_settings({"coderApiBaseUrl": address}, {})
    with pytest.raises(SettingsError, match="coderport:portBaseUrl must"):
        load_settings({"portBaseUrl": address}, {})
    with pytest.raises(SettingsError, match="baseUrl"):
        load({"baseUrl": address, "clientId": "id", "secret": "s"}, {})
    assert [each.property for each in problems({"baseUrl": address})] == ["baseUrl"]


def test_the_emulators_are_on_this_machine() -> None:
    with Pair(workspaces=0, templates=1) as pair:
        assert is_loopback(pair.coder_url) and is_loopback(pair.port_url)
