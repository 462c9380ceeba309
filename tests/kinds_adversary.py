"""A Coder that changes, loses and hides while its kinds are read: a client with a seed, before the emulator.

`adversary` does the same to templates and workspaces. Everything happens between any two requests, not only between
lists: users are renamed, made and deleted, rights and memberships are lost, rows and whole lists are missing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from coder_talk import Api

from coderport.catalog.values import named_id
from coderport.coder.client import CoderClient
from coderport.emulators.coder.written import derived_id
from coderport.emulators.kit import EmulatorError
from coderport.kinds.prebuild_preset import identifier_of

MISCHIEF = (
    "renames",  # users get other names: they cross page boundaries, and a name that was told is none
    "births",
    "deaths",
    "loses rows",  # each list lacks rows once, and counts what it shows or what there is
    "lacks an organization",  # the list of organizations, in the whole read
    "an empty list",  # or null: one list, in the whole read
    "only the token's own",  # the list of users, in the whole read
    "a right is lost",  # at some request
    "a membership is lost",  # at some request
    "hides members",  # of groups, and the organizations of users
)
EMPTY: tuple[tuple[str, Any], ...] = (
    ("/provisionerdaemons", []), ("/provisionerdaemons", None), ("/workspaceproxies", {"regions": []}),
    ("/licenses", []), ("/licenses", None), ("/presets", []), ("/presets", None), ("/groups", []),
    ("/users", {"users": [], "count": 0}),
)  # fmt: skip
LISTS = ("/organizations", "/provisionerdaemons", "/workspaceproxies", "/licenses", "/presets", "/groups", "/users")


@dataclass
class History:
    """What happens in one read by `reader`, whose rights it may take. `victims` are users without workspaces."""

    api: Api
    seed: int
    reader: str
    victims: list[str]
    mischief: frozenset[str] = frozenset({"drawn"})
    lost: set[str] = field(default_factory=set)
    requests: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        if self.mischief == {"drawn"}:
            self.mischief = frozenset(each for each in MISCHIEF if self.chance.random() < 0.25)
        self.blow = self.chance.randrange(2, 60)
        self.empty = self.chance.choice(EMPTY)
        self.without = self.chance.choice(sorted(self.api.emulator.state.organizations))

    def client(self) -> type[CoderClient]:
        """What reads through all this."""
        history = self

        class Unkind(CoderClient):
            async def _request(self, method: str, path: str, **how: Any) -> Any:
                history.live()
                answer = await super()._request(method, path, **how)
                return answer if method != "GET" else replace(answer, data=history.told(path, answer.data))

        return Unkind

    def live(self) -> None:
        """What happens in Coder between two requests."""
        coder, chance = self.api.emulator, self.chance
        self.requests += 1
        name = f"{chance.choice('amz')}-{self.seed}-{self.requests}"
        if "renames" in self.mischief and chance.random() < 0.3:
            coder.set_user(chance.choice(self.people()), username=f"r-{name}")
        if "births" in self.mischief and chance.random() < 0.1:
            coder.create_user(name, organizations={chance.choice(sorted(coder.state.organizations)): ()})
        if "deaths" in self.mischief and self.victims and chance.random() < 0.1:
            coder.delete_user(self.victims.pop())
        if "a right is lost" in self.mischief and self.requests == self.blow:
            coder.set_user(self.reader, roles=frozenset(), organizations={})
        if "a membership is lost" in self.mischief and self.requests == self.blow:
            memberships = dict(coder.state.users[self.reader].organizations)
            memberships.pop(self.without, None)
            coder.set_user(self.reader, organizations=memberships)

    def end(self) -> None:
        """Takes away the reader, and who was made meanwhile."""
        users = self.api.emulator.state.users.values()
        for each in [each for each in users if each.username.startswith(("a-", "m-", "z-")) and not each.deleted]:
            self.api.emulator.delete_user(each.id)
        self.api.emulator.delete_user(self.reader)

    def people(self) -> list[str]:
        """Everybody, in an order of their own."""
        users = self.api.emulator.state.users.values()
        return sorted(each.id for each in users if not (each.system or each.deleted))

    def told(self, path: str, data: Any) -> Any:
        """The answer, as it comes."""
        end = next((each for each in LISTS if path.endswith(each)), None)
        if end is None:
            return data
        if "an empty list" in self.mischief and end == self.empty[0]:
            return self.empty[1]
        if "lacks an organization" in self.mischief and path == "/organizations":
            data = [each for each in data if each["id"] != self.without]
        if "only the token's own" in self.mischief and path == "/users":
            mine = [each for each in data["users"] if each["id"] == self.reader]
            data = {"users": mine, "count": 1}
        if "hides members" in self.mischief:
            data = self._hiding(end, data)
        if "loses rows" in self.mischief and path not in self.lost and self.chance.random() < 0.5:
            self.lost.add(path)
            data = self._losing(data)
        return data

    def _hiding(self, end: str, data: Any) -> Any:
        if end == "/groups":
            return [{**each, "members": self.chance.choice((None, [], each["members"][1:]))} for each in data]
        if end == "/users" and self.seed % 2:
            return {**data, "users": [{**each, "organization_ids": None} for each in data["users"]]}
        return data

    def _losing(self, data: Any) -> Any:
        name = next((each for each in ("users", "regions") if isinstance(data, dict) and each in data), None)
        rows = data[name] if name else data or []
        kept = [each for each in rows if self.chance.random() < 0.6]
        if name is None:
            return kept
        counts = {"count": self.chance.choice((data["count"], len(kept)))} if name == "users" else {}
        return {**data, name: kept, **counts}


def alive(api: Api) -> dict[str, set[str]]:
    """By kind what there is."""
    state, coder = api.emulator.state, api.emulator
    people = [each for each in state.users.values() if not (each.system or each.deleted)]
    templates = [each for each in state.templates.values() if not each.deleted]
    return {
        "coder_organization": set(state.organizations),
        "coder_user": {each.id for each in people},
        "coder_group": {*state.groups, *state.organizations},
        "coder_template": {each.id for each in templates},
        "coder_workspace": {each.id for each in state.undeleted()},
        "coder_template_version": {each.active_version_id for each in templates}
        | {each.build.version_id for each in state.undeleted()},
        "coder_provisioner_daemon": set(state.daemon_ids),
        "coder_prebuild_preset": {
            identifier_of(each.id, preset.name)
            for each in templates
            for preset in state.versions[each.active_version_id].presets
        },
        "coder_workspace_proxy": {
            coder.deployment_id,
            *(key for key, each in state.proxies.items() if not each.deleted),
        },
        "coder_licence": {derived_id(coder.deployment_id, "licence")} if state.licensed else set(),
        "coder_quota": {
            named_id(one, each.id) for each in people for one in each.organizations if one in state.organizations
        },
    }


def something_ends(api: Api, chance: random.Random, seed: int) -> None:
    """Changes before the read: something of some kinds is made, and something is deleted for good."""
    coder = api.emulator
    templates = sorted(coder.template_ids())
    spare = [each.id for each in coder.state.users.values() if each.username.startswith("spare-") and not each.deleted]
    ends: list[Callable[[], object]] = [
        lambda: coder.delete_user(chance.choice(spare)) if spare else None,
        lambda: coder.delete_group(min(coder.state.groups)) if coder.state.groups else None,
        lambda: coder.set_provisioners(chance.randrange(1, 6)),
        lambda: coder.promote_version(chance.choice(templates)),
        lambda: coder.promote_version(chance.choice(templates), presets=()),
        lambda: _delete_organization(api),
        lambda: coder.delete_proxy(min(_proxies(api))) if _proxies(api) else None,
        lambda: coder.set_licensed(False) if chance.random() < 0.3 else None,
    ]
    for end in chance.sample(ends, 3):
        end()


def something_begins(api: Api, seed: int) -> None:
    """What `something_ends` can end."""
    coder = api.emulator
    coder.set_licensed(True)
    if len(coder.state.organizations) < 4:
        coder.create_organization(f"o-{seed}")
    places = dict.fromkeys(coder.state.organizations, ())
    for number in range(2):
        coder.create_user(f"spare-{seed}-{number}", organizations=dict(places))
    coder.create_group(f"g-{seed}", members=sorted(coder.state.users)[:3])
    coder.create_proxy(f"p-{seed}")


def _proxies(api: Api) -> Mapping[str, Any]:
    return {key: each for key, each in api.emulator.state.proxies.items() if not each.deleted}


def _delete_organization(api: Api) -> None:
    for each in sorted(api.emulator.state.organizations):
        if api.emulator.state.organizations[each].name.startswith("o-"):
            try:
                api.emulator.delete_organization(each)
            except EmulatorError:
                continue
            return
