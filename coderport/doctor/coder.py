"""Coder: is it reached, whose is the token and until when, what may it see and do, which feeds would `live` have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderUnauthorized
from coderport.coder.models import Organization
from coderport.coder.notices import Notices
from coderport.coder.reading.breadth import measured_breadth, names_of, organizations_in_scope
from coderport.coder.token import acts_denied, end_of
from coderport.doctor.check import Check, Grade, failed
from coderport.errors import CoderportError
from coderport.kinds.all import kinds_asked
from coderport.kinds.inventory import blind
from coderport.live.feeds.choosing import audit_absent, jobs_absent
from coderport.planning.plan import declares_actions
from coderport.settings import Settings
from coderport.settings.corrections import corrected, where
from coderport.terminal.text import short

SUBJECT = "Coder"
SOON = timedelta(days=7)
"""A token that ends within this time is worth a warning."""


def _check(name: str, grade: Grade, said: str, remedy: str = "") -> Check:
    return Check(subject=SUBJECT, name=name, grade=grade, said=said, remedy=remedy)


async def coder_checks(client: CoderClient, settings: Settings, now: datetime) -> AsyncIterator[Check]:
    """One after the other; the first that makes the others senseless ends them. `now` is aware."""
    name = "address"
    try:
        info = await client.build_info()
        yield _check(name, "pass", f"{info.version or 'a version that it does not tell'} at {client.base_url}")
        name = "token"
        me = await client.me()
        yield await _token(client, settings, me.username, now)
        name = "organizations"
        scope = await organizations_in_scope(client, settings.coder_organizations)
        yield _check(name, "pass", f"In scope: {names_of(scope)}.")
    except CoderUnauthorized as error:
        # What a deployment says of its version it says to everybody.
        said = f"At {client.base_url} something asks who calls where Coder asks nobody. Is that a Coder deployment?"
        if name == "address":
            yield _check(name, "fail", said, where(settings, "coderApiBaseUrl"))
        else:
            yield failed(SUBJECT, name, corrected(settings, error))
        return
    except CoderportError as error:
        yield failed(SUBJECT, name, corrected(settings, error))
        return
    looks = (("sees", _sights), ("kinds", partial(_kinds, settings)), ("acts", _acts), ("feeds", _feeds))
    for name, look in looks:
        if name == "acts" and not declares_actions(settings):
            continue
        try:
            for check in await look(client, scope):
                yield check
        except CoderportError as error:
            yield failed(SUBJECT, name, corrected(settings, error))


async def _token(client: CoderClient, settings: Settings, username: str, now: datetime) -> Check:
    end = await end_of(client, settings.coder_session_token.get_secret_value())
    if end is None:
        return _check("token", "pass", f"That of {short(username)}. Coder does not show its end.")
    said = f"That of {short(username)}, until {end:%Y-%m-%d %H:%M} UTC."
    if end - now > SOON:
        return _check("token", "pass", said)
    another = "Make another (`coder tokens create`, or the page /settings/tokens)."
    remedy = f"{another}\n{where(settings, 'coderSessionToken')}"
    return _check("token", "warn", f"{said} That is soon.", remedy)


async def _sights(client: CoderClient, scope: tuple[Organization, ...]) -> list[Check]:
    """What the token may read, by the same questions that a run asks before it reads."""
    breadth = await measured_breadth(client, scope)
    if not (breadth.covers("workspace") and breadth.covers("template")):
        return [_check("sees", "fail", breadth.text, "docs/settings.md#the-coder-token says which role does.")]
    found = [_check("sees", "pass", f"All templates and workspaces of {names_of(scope)}.")]
    if breadth.covers("workspace_dormant"):
        found.append(_check("proofs", "pass", "It may open dormant workspaces, so that each deletion can be proven."))
    else:
        remedy = "A run goes on without: entities whose end is not proven stay in Port."
        found.append(_check("proofs", "warn", breadth.text, remedy))
    if "user" in breadth.site:
        found.append(_check("e-mails", "pass", "It may read users, so owners get their e-mail addresses."))
    else:
        said = "It may not read users, so entities get no e-mail addresses of owners, by which actions find a person."
        found.append(_check("e-mails", "warn", said, "The role template-admin (site-wide) reads users."))
    return found


async def _kinds(settings: Settings, client: CoderClient, scope: tuple[Organization, ...]) -> list[Check]:
    """Which of the kinds that are asked for a run reads with this token, by the rule of a run."""
    several = [each for each in kinds_asked(settings) if not each.always]
    if not several:
        return []
    breadth = await measured_breadth(client, scope, frozenset().union(*(each.needs for each in several)))
    unread = {each.words[1]: why for each in several if (why := blind(each, breadth))}
    read = ", ".join(each.words[1] for each in several if each.words[1] not in unread)
    if not unread:
        return [_check("kinds", "pass", f"By its rights a run reads {read}.")]
    told = "; ".join(f"{words} ({why})" for words, why in unread.items())
    remedy = "A run goes on without: what Port has of them stays as it is. docs/catalog.md#kinds says what each needs."
    return [_check("kinds", "warn", f"By its rights a run reads {read or 'none of the kinds'}; not {told}.", remedy)]


async def _acts(client: CoderClient, scope: tuple[Organization, ...]) -> list[Check]:
    denied = await acts_denied(client, scope)
    if not denied:
        return [_check("acts", "pass", "It may do to others' workspaces what the actions do, in each organization.")]
    told = "; ".join(f"not {', '.join(acts)} in {short(name)}" for name, acts in sorted(denied.items()))
    remedy = "It is enough for reading. The runner needs a token of its own: docs/actions.md#least-privileges."
    return [_check("acts", "warn", f"It may not do to others' workspaces all that the actions do: {told}.", remedy)]


async def _feeds(client: CoderClient, scope: tuple[Organization, ...]) -> list[Check]:
    """What `live` would be told of, by its own questions."""
    notices = Notices(client)
    deaf = [each.name for each in scope if await jobs_absent(notices, each.id) is not None]
    no_audit = absent.why if (absent := await audit_absent(client)) is not None else ""
    jobs = f"not those of {', '.join(map(short, deaf))}" if deaf else "those of each organization"
    said = f"`live` would read the jobs of builds ({jobs}), and {'no' if no_audit else 'the'} audit log."
    if not no_audit and not deaf:
        return [_check("feeds", "pass", said)]
    remedy = "Without jobs it asks for builds under way; what no feed tells it finds by reading all again, later."
    return [_check("feeds", "warn", said, "\n".join(filter(None, [f"{no_audit}." if no_audit else "", remedy])))]
