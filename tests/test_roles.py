"""Whether Port has the roles that the actions name: asked only for what is none of Port's own, before any write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from settings_samples import SERVERS

from coderport.emulators.port import PortEmulator
from coderport.errors import SettingsError
from coderport.planning.roles import notes_of_roles, unproven_roles
from coderport.port.client import PortClient
from coderport.port.errors import PortError
from coderport.settings import Settings, load_settings, settings_of


def given(roles: Sequence[str], *, namespace: str = "coderport") -> Settings:
    config = {f"coderport:{key}": (value, False) for key, value in SERVERS.items()}
    actions = {"backend": "webhook", "url": "https://x.example.com/runs", "roles": roles}
    return settings_of({**config, f"{namespace}:actions": (actions, False)}, "acme", {}, stack="dev")


def asked(emulator: PortEmulator, *roles: str, status: int = 200) -> tuple[tuple[str, ...], int]:
    """What is not proven of these roles, and how many requests that took; `status` is what the users' list answers."""
    transport = httpx.ASGITransport(emulator.app)

    class Between(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v1/users" and status != 200:
                body = {"ok": False, "error": "forbidden", "message": "read:users is missing"}
                return httpx.Response(status, json=body, request=request)
            return await transport.handle_async_request(request)

    async def ask() -> tuple[tuple[str, ...], int]:
        client = PortClient("http://port", emulator.client_id, emulator.client_secret, transport=Between())
        async with client:
            unproven = await unproven_roles(client, given(roles))
            return unproven, client.requests

    return asyncio.run(ask())


@pytest.fixture
def emulator() -> PortEmulator:
    emulator = PortEmulator()
    emulator.add_user("ada@example.com", roles=("Member", "Platform Engineer"))
    return emulator


def test_port_s_own_roles_cost_no_request(emulator: PortEmulator) -> None:
    assert asked(emulator, "Admin", "Member") == ((), 0)


def test_a_role_that_somebody_has_is_one(emulator: PortEmulator) -> None:
    assert asked(emulator, "Platform Engineer", "Admin")[0] == ()


def test_the_moderator_of_a_blueprint_that_port_has_is_one(emulator: PortEmulator) -> None:
    emulator.put_blueprint({"identifier": "service", "title": "Service", "schema": {"properties": {}}})
    assert asked(emulator, "service-moderator")[0] == ()
    with pytest.raises(SettingsError, match="Nobody in Port has the role servce-moderator"):
        asked(emulator, "servce-moderator")


@pytest.mark.parametrize(
    ("roles", "number", "meant"),
    [
        (("Admin", "Membr"), 1, "Member"),
        (("platform engineer",), 0, "'Platform Engineer'"),
        (("Zoo",), 0, "CHOOSE-ROLE"),
        (("-moderator",), 0, "CHOOSE-ROLE"),
    ],
)
def test_a_role_that_nobody_has_is_refused_with_the_nearest_and_the_command(
    emulator: PortEmulator, roles: tuple[str, ...], number: int, meant: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        asked(emulator, *roles)
    text = str(raised.value)
    assert raised.value.exit_code == 2 and "Nothing was written." in text
    assert "(known: Admin, Member, Platform Engineer)" in text
    assert f"config set --stack dev --path 'coderport:actions.roles[{number}]' {meant}\n" in text, text


def test_the_role_is_corrected_in_the_namespace_that_has_the_actions(emulator: PortEmulator) -> None:
    async def ask() -> None:
        transport = httpx.ASGITransport(emulator.app)
        async with PortClient("http://port", emulator.client_id, emulator.client_secret, transport=transport) as client:
            await unproven_roles(client, given(["Admin", "Membr"], namespace="acme"))

    with pytest.raises(SettingsError, match=r"which acme:actions\.roles names") as raised:
        asyncio.run(ask())
    assert "config set --stack dev --path 'acme:actions.roles[1]' Member\n" in str(raised.value)


def test_where_users_may_not_be_read_it_is_a_note_and_another_answer_ends_the_run(emulator: PortEmulator) -> None:
    assert asked(emulator, "Admin", "Membr", "Zoo", status=403)[0] == ("Membr", "Zoo")
    assert "this client may not read which there are: Membr, Zoo" in next(notes_of_roles(("Membr", "Zoo")))
    with pytest.raises(PortError):
        asked(emulator, "Zoo", status=404)


@pytest.mark.parametrize(
    ("roles", "said", "command"),
    [
        (["admin", "Member"], "actions.roles[0] must be written Admin, as Port writes it (it is admin)", "Admin"),
        (["MEMBER"], "actions.roles[0] must be written Member", "'coderport:actions.roles[0]' Member"),
        ([], "actions.roles must not be empty", "coderport:actions.roles"),
        ([" "], "actions.roles[0] an empty name is no role's", "CHOOSE-ROLE"),
    ],
)
def test_a_list_that_lets_nobody_in_is_a_wrong_setting(roles: list[str], said: str, command: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({**SERVERS, "actions": {"roles": roles}}, {}, stack="prod")
    assert said in str(raised.value) and command in str(raised.value), str(raised.value)
