"""What a server does not take is corrected where it stands: in the stack's file, which counts first, or else in the
environment."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderForbidden, CoderUnauthorized, CoderUnreachable, UnknownOrganization
from coderport.errors import CoderportError
from coderport.port.client import PortClient
from coderport.port.errors import PortUnauthorized, PortUnreachable
from coderport.settings import Settings, load_settings, settings_of
from coderport.settings.corrections import corrected, correcting, correction, where
from coderport.transport.patience import Patience

CONFIG = {
    "coderApiBaseUrl": "https://coder.test",
    "coderSessionToken": "0123456789-abcdef",
    "portClientId": "id",
    "portClientSecret": "secret",
    "portBaseUrl": "https://api.port.io",
}
ENVIRONMENT = {
    "CODER_API_BASE_URL": "https://coder.test",
    "CODER_SESSION_TOKEN": "0123456789-abcdef",
    "PORT_CLIENT_ID": "id",
    "PORT_CLIENT_SECRET": "secret",
    "PORT_BASE_URL": "https://api.us.port.io",
}
HASTY = Patience(first_contact=0.0, outage=0.0, limited=0.0, pause=0.0)


def both() -> Settings:
    """Those of a stack that `init` made, in a shell that has the variables, too."""
    return load_settings(
        CONFIG, ENVIRONMENT, encrypted=frozenset({"coderSessionToken", "portClientSecret"}), stack="acme/shop/dev"
    )


def answering(status: int, body: Any = None, content: str = "") -> httpx.MockTransport:
    headers = {} if body is None else {"content-type": "application/json"}
    text = content if body is None else json.dumps(body)
    return httpx.MockTransport(lambda request: httpx.Response(status, text=text, headers=headers))


def nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("All connection attempts failed")


async def of_coder(transport: httpx.MockTransport) -> None:
    async with CoderClient("https://coder.test", "0123456789-abcdef", transport=transport, patience=HASTY) as client:
        await client.build_info()


async def of_port(transport: httpx.MockTransport) -> None:
    async with PortClient("https://port.test", "id", "secret", transport=transport, patience=HASTY) as client:
        await client.organization()


COMMAND = "python -m coderport pulumi -- config set --stack acme/shop/dev"
ASKS = {
    "coderApiBaseUrl": (f"{COMMAND} coderport:coderApiBaseUrl CHOOSE-URL", "export CODER_API_BASE_URL=CHOOSE-URL"),
    "coderSessionToken": (f"{COMMAND} --secret coderport:coderSessionToken", "export CODER_SESSION_TOKEN=CHOOSE-TOKEN"),
    "portClientId": (f"{COMMAND} coderport:portClientId CHOOSE-CLIENT-ID", "export PORT_CLIENT_ID=CHOOSE-CLIENT-ID"),
    "portClientSecret": (
        f"{COMMAND} --secret coderport:portClientSecret", "export PORT_CLIENT_SECRET=CHOOSE-CLIENT-SECRET"
    ),
    "portBaseUrl": (
        f"{COMMAND} coderport:portBaseUrl https://api.us.port.io", "export PORT_BASE_URL=https://api.port.io"
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", CONFIG)
def test_each_access_is_set_where_it_stands(key: str) -> None:
    in_config, exported = ASKS[key]
    assert where(both(), key) == f"coderport:{key} stands in Pulumi.dev.yaml. To set another:\n  {in_config}"
    variables = load_settings({}, ENVIRONMENT, stack="acme/shop/dev")
    assert where(variables, key).endswith(f". To set another:\n  {exported}")
    assert "stands in the environment variable " in where(variables, key)


def test_an_address_that_is_set_nowhere_is_set_in_the_file() -> None:
    settings = load_settings({}, {**ENVIRONMENT, "PORT_BASE_URL": ""}, stack="dev")
    assert where(settings, "portBaseUrl").startswith("coderport:portBaseUrl is not set. To set another:\n")
    assert where(settings, "portBaseUrl").endswith("--stack dev coderport:portBaseUrl https://api.us.port.io")


@pytest.mark.parametrize(
    ("ask", "transport", "kind", "keys"),
    [
        (of_coder, answering(401, {"message": "no"}), CoderUnauthorized, ["coderSessionToken"]),
        (of_coder, httpx.MockTransport(nobody), CoderUnreachable, ["coderApiBaseUrl"]),
        (of_coder, answering(302), CoderportError, ["coderApiBaseUrl"]),
        (of_coder, answering(200, content="<html>"), CoderportError, ["coderApiBaseUrl"]),
        (of_coder, answering(403, {"message": "no"}), CoderForbidden, []),
        (
            of_port, answering(401, {"ok": False, "error": "invalid_credentials"}), PortUnauthorized,
            ["portClientId", "portClientSecret", "portBaseUrl"],
        ),
        (of_port, httpx.MockTransport(nobody), PortUnreachable, ["portBaseUrl"]),
        (of_port, answering(302), PortUnreachable, ["portBaseUrl"]),
        (of_port, answering(404, content="<html>"), PortUnreachable, ["portBaseUrl"]),
        (of_port, answering(503, {"ok": False}), PortUnreachable, []),
    ],
)  # fmt: skip
def test_an_error_of_access_ends_with_the_command_that_counts_and_names_no_variable(
    ask: Any, transport: httpx.MockTransport, kind: type[CoderportError], keys: list[str]
) -> None:
    async def asked() -> None:
        async with correcting(both()), correcting(both()):
            await ask(transport)

    with pytest.raises(kind) as caught:
        asyncio.run(asked())
    said, *lines = str(caught.value).splitlines()
    assert lines == [line for key in keys for line in where(both(), key).splitlines()]
    assert not any(variable in said for variable in ENVIRONMENT), said


def test_an_error_that_is_about_no_setting_stays_as_it_is() -> None:
    error = CoderportError("The disk is full.")
    assert corrected(both(), error) is error and str(error) == "The disk is full."


def of_acme(environ: Mapping[str, str] | None = None, **own: Any) -> Settings:
    """Those of a project that is not called coderport, with keys in its own namespace."""
    config = {**{f"coderport:{key}": (value, True) for key, value in CONFIG.items()}}
    config |= {f"acme:{key}": (value, False) for key, value in own.items()}
    return settings_of(config, "acme", environ or {}, stack="dev")


def test_a_value_in_the_namespace_of_the_project_is_corrected_there() -> None:
    settings = of_acme(organizations=["coder", "platfrom"], coderOrganizationId="lbs")
    error = corrected(settings, UnknownOrganization("", ("platfrom", "lbs"), ("coder", "platform", "labs")))
    commands = [line.strip() for line in str(error).splitlines() if line.startswith("  ")]
    assert commands == [
        "python -m coderport pulumi -- config set --stack dev --path 'acme:organizations[1]' platform",
        "python -m coderport pulumi -- config set --stack dev acme:coderOrganizationId labs",
    ]
    assert where(of_acme(portBaseUrl="https://api.port.io"), "portBaseUrl").startswith("coderport:portBaseUrl stands")
    assert settings.path("actions", "roles", 1) == "coderport:actions.roles[1]"


def test_a_part_of_what_the_environment_has_is_corrected_in_its_whole_value() -> None:
    actions = {"backend": "webhook", "url": "https://x.example.com/runs", "roles": ["Admin", "Membr"]}
    settings = of_acme({"CODERPORT_ACTIONS": json.dumps(actions)})
    name, _, value = shlex.split(correction(settings, ("actions", "roles", 1), "Member"))[1].partition("=")
    assert name == "CODERPORT_ACTIONS" and json.loads(value) == {**actions, "roles": ["Admin", "Member"]}
