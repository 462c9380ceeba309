"""The backend of the actions: is it there, and does it know the secret that Port signs with."""

from __future__ import annotations

from datetime import datetime

import httpx

from coderport.doctor.check import Check, Grade, failed
from coderport.errors import CoderportError
from coderport.planning.installation import installation_of, note_of
from coderport.planning.plan import declares_actions
from coderport.port.client import PortClient
from coderport.port.integrations import Integrations
from coderport.runner.service.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from coderport.settings import Settings
from coderport.transport.exchange import exchange
from coderport.transport.route import route_to
from coderport.transport.shown import Shown

SUBJECT = "actions"
_SECONDS = 15.0
_MOST = 64 * 1024
_NO_RUN = b"{}"
"""A body that names no run: the service refuses it (400 `invalid`) once the signature fits, and remembers nothing."""


def _check(name: str, grade: Grade, said: str, remedy: str = "") -> Check:
    return Check(subject=SUBJECT, name=name, grade=grade, said=said, remedy=remedy)


def _broken(said: str, remedy: str) -> Check:
    """The service is not there, or refuses Port's calls: a run does not ask it."""
    return Check(subject=SUBJECT, name="backend", grade="fail", said=said, remedy=remedy, effect="buttons")


async def backend_check(client: PortClient, settings: Settings, now: datetime) -> Check:
    """The backend that the settings choose."""
    actions = settings.actions
    if not declares_actions(settings):
        return _check("backend", "pass", "This stack declares no actions.")
    if actions.backend == "github":
        try:
            installation = await installation_of(settings, Integrations(client))
        except CoderportError as error:
            return failed(SUBJECT, "backend", error)
        if note := note_of(installation):
            return _check("backend", "warn", note)
        said = f"Port's GitHub integration {installation.installation_id} dispatches {actions.repository}."
        return _check("backend", "pass", said)
    return await _webhook(settings, now)


async def _webhook(settings: Settings, now: datetime) -> Check:
    """The service, called as Port calls it, with a body that is no run."""
    url = str(settings.actions.url)
    stamp = str(int(now.timestamp()))
    secret = settings.port_client_secret.get_secret_value()
    headers = {
        SIGNATURE_HEADER: signature(secret, stamp, _NO_RUN),
        TIMESTAMP_HEADER: stamp,
        "Content-Type": "application/json",
    }
    try:
        route = route_to(url)
        async with httpx.AsyncClient(
            trust_env=False, verify=route.tls, proxy=route.proxy, follow_redirects=False, timeout=_SECONDS
        ) as http:
            answer = await exchange(http, "POST", url, seconds=_SECONDS, most=_MOST, content=_NO_RUN, headers=headers)
    except CoderportError as error:
        return failed(SUBJECT, "backend", error).model_copy(update={"effect": "buttons"})
    except httpx.HTTPError as error:
        said = f"{url} does not answer: {route.told(error, Shown(()))}."
        if settings.actions.agent:
            return _check("backend", "warn", said, "Port's agent calls it. Where that runs it may answer.")
        return _broken(said, f"Start the service, or correct {settings.path('actions', 'url')}.")
    return _judged(url, answer, settings)


def _judged(url: str, answer: httpx.Response, settings: Settings) -> Check:
    reason = _reason(answer)
    if answer.status_code == 400 and reason == "invalid":
        return _check("backend", "pass", f"The service at {url} answers, and knows the secret that Port signs with.")
    if reason == "forged":
        said = f"The service at {url} does not know this client's secret: it takes Port's signature for forged."
        return _broken(said, "Start it with the PORT_CLIENT_SECRET that this stack has.")
    if reason == "stale":
        said = f"The clock of the service at {url} is more than five minutes from this one, so it refuses Port's calls."
        return _broken(said, "Set the clocks by NTP.")
    if answer.status_code == 503:
        return _check("backend", "warn", f"The service at {url} takes on no runs now ({reason or 'no reason given'}).")
    said = f"At {url} something else than the service answers ({answer.status_code})."
    return _broken(said, f"{settings.path('actions', 'url')} is the address of the service, and ends with /runs.")


def _reason(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except (ValueError, RecursionError):
        return ""
    return str(said.get("error") or "") if isinstance(said, dict) else ""
