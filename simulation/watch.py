"""The watch at Port's door: it looks at each write of ours before Port carries it out, with Coder's truth beside it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from coderport.catalog.actions.declared import form_of
from coderport.emulators.coder.emulator import CoderEmulator
from coderport.emulators.port.emulator import PortEmulator
from coderport.guard.ownership import Mark
from coderport.kinds.all import DECLARED_PROPERTIES, DECLARED_RELATIONS
from coderport.kinds.template import TEMPLATE
from coderport.kinds.workspace import WORKSPACE
from coderport.settings import Limits, Releases, Settings
from simulation.process import CURRENT, Process

W = WORKSPACE.identifier
DAY = 22 * 3600
"""Less than the guard's day, which ends with an hour of the clock."""

_DELETE = re.compile(r"/v1/blueprints/([^/]+)/bulk/entities/delete")
_DELETE_ONE = re.compile(r"/v1/blueprints/([^/]+)/entities/([^/]+)")
_UPSERT = re.compile(r"/v1/blueprints/([^/]+)/entities/bulk")
_ENTITY = re.compile(r"/v1/blueprints/([^/]+)/entities(?:/(?!search|bulk)[^/]+)?")
_BLUEPRINT = re.compile(r"/v1/blueprints/([^/]+)")
_ACTION = re.compile(r"/v1/actions/([^/]+)(?:/permissions)?")
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Watch:
    """What it has seen: `broken` are the invariants that did not hold, `deleted` what we have deleted from Port.

    `settings` are those of this moment, `clock` tells seconds.
    """

    def __init__(
        self, coder: CoderEmulator, port: PortEmulator, settings: Callable[[], Settings], clock: Callable[[], float]
    ) -> None:
        self._coder, self._port, self._settings, self._clock = coder, port, settings, clock
        self.broken: list[str] = []
        self.deleted: set[str] = set()
        self.foreign_since: dict[tuple[str, str], float] = {}
        """When another stack took an entity, by blueprint and identifier."""
        self.by_hand_at: dict[str, float] = {}
        """When somebody last deleted an entity by hand, by blueprint."""
        self.state = ""
        self._alive: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)

    def at(self, app: Any) -> Any:
        """Port's application behind the watch."""

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] not in _WRITES:
                await app(scope, receive, send)
                return
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            self._look(scope["method"], scope["path"], body, over=b"upsert=true" in scope["query_string"])

            async def again() -> Any:
                return {"type": "http.request", "body": body, "more_body": False}

            await app(scope, again, send)

        return watched

    def is_left_out(self, blueprint: str, identifier: str, settings: Settings) -> bool:
        """Whether the settings leave out what exists in Coder."""
        with self._coder.state.lock:
            template_id = self._coder.workspace(identifier).template_id if blueprint == W else identifier
            template = self._coder.template(template_id)
            organization = self._coder.organization(template.organization_id)
        scope = settings.coder_organizations
        outside = bool(scope) and not {organization.id, organization.name} & set(scope)
        return outside or template.name in settings.exclude_templates

    def _look(self, method: str, path: str, body: bytes, *, over: bool) -> None:
        """`over` says that what Port holds is written over: else Port refuses it."""
        if found := _DELETE.fullmatch(path):
            for identifier in json.loads(body)["entities"]:
                self._deleting(found[1], identifier)
        elif method == "DELETE" and (found := _DELETE_ONE.fullmatch(path)):
            self._deleting(found[1], found[2])
        elif method == "DELETE" and (found := _BLUEPRINT.fullmatch(path)):
            self.broken.append(f"the blueprint {found[1]} is deleted")
        elif method != "POST" and (found := _ACTION.fullmatch(path)):
            self._changing_action(method, found[1])
        elif method == "POST" and (found := _UPSERT.fullmatch(path)):
            for entity in json.loads(body)["entities"]:
                self._writing(found[1], entity, over=over)
        elif found := _ENTITY.fullmatch(path):
            self._writing(found[1], json.loads(body), over=over or method != "POST", as_whole=method == "PUT")

    def _deleting(self, blueprint: str, identifier: str) -> None:
        held = self._port.entity(blueprint, identifier)
        if held is None:
            return
        self.deleted.add(identifier)
        ids = self._coder.workspace_ids(prebuilds=True) if blueprint == W else self._coder.template_ids()
        process = CURRENT.get()
        # The service deletes the entity of a workspace that a run of it has deleted, a sibling's as well.
        if not (process is not None and process.name == "service" and identifier not in ids):
            self._not_foreign(blueprint, identifier, held, "deleted")
        releases = process.releases if process else Releases()
        if identifier not in ids or releases.allow_deletions or releases.forget_unproven:
            return
        name = process.name if process else "somebody"
        if not any(self.is_left_out(blueprint, identifier, each) for each in self._settings_of(process)):
            self.broken.append(f"{name} deletes {blueprint} {identifier}, which exists in Coder")
            return
        if process and not process.remembers:
            self.broken.append(f"{name} deletes {blueprint} {identifier}, which lives in Coder, without a memory")
            return
        now, lately = self._clock(), self._alive[blueprint]
        lately.append((now, identifier))
        there = len(self._port.entities(blueprint))
        ours = there + len([1 for at, _ in lately if at > now - 3600])
        of_a_day = {each for at, each in lately if at > now - DAY}
        if len(of_a_day) > Limits().for_left_out(ours):
            self.broken.append(f"{name} deletes {len(of_a_day)} of {ours} of {blueprint} in a day that live in Coder")
        nobody_beside = process is None or self.by_hand_at.get(blueprint, -1.0) < process.began
        if there == 1 and ours > 1 and nobody_beside:
            self.broken.append(f"{name} deletes all of {blueprint} that live in Coder, without a release")

    def _settings_of(self, process: Process | None) -> tuple[Settings, ...]:
        """Those that a run may go by: they may change while it begins."""
        return tuple({id(each): each for each in (self._settings(), process and process.settings) if each}.values())

    def _changing_action(self, method: str, identifier: str) -> None:
        """An action of ours goes where its template is gone or left out; all that others have made stays as it is."""
        process = CURRENT.get()
        if process is None or identifier not in self._port.objects()["actions"]:
            return
        if not identifier.startswith("coder_"):
            self.broken.append(f"{process.name} sends {method} for the action {identifier} of somebody else")
        if method != "DELETE" or process.releases.allow_deletions or process.releases.forget_unproven:
            return
        form = form_of(identifier)
        lives = form is None or form.template_id in self._coder.template_ids()
        left_out = form is not None and any(
            self.is_left_out(TEMPLATE.identifier, form.template_id, each) for each in self._settings_of(process)
        )
        if lives and not left_out:
            self.broken.append(f"{process.name} deletes the action {identifier}, which is still wanted")

    def _writing(self, blueprint: str, entity: dict[str, Any], *, over: bool, as_whole: bool = False) -> None:
        held = self._port.entity(blueprint, entity["identifier"])
        if held is not None and over and not self._settings().take_over and not _refreshed(held, entity):
            self._not_foreign(blueprint, entity["identifier"], held, "written over")
        if blueprint in DECLARED_PROPERTIES and not as_whole:  # the whole entity has what others set, too
            strange = set(entity.get("properties", {})) - DECLARED_PROPERTIES[blueprint]
            strange |= set(entity.get("relations", {})) - DECLARED_RELATIONS[blueprint]
            if strange:
                self.broken.append(f"a value of somebody else's is written: {sorted(strange)}")

    def _not_foreign(self, blueprint: str, identifier: str, held: dict[str, Any], what: str) -> None:
        mark, process = Mark.read(held["properties"].get("managed_by")), CURRENT.get()
        came = self.foreign_since.get((blueprint, identifier), 0.0)
        if process is not None and came > process.began:
            return  # nobody can know of it who has read Port before
        if mark is not None and mark.stack == OTHER.stack:
            self.broken.append(f"{blueprint} {identifier} of {mark} is {what}")


def _refreshed(held: dict[str, Any], entity: dict[str, Any]) -> bool:
    """Whether the service tells what Coder has of another stack's workspace after a run, as actions for several do."""
    process, mark = CURRENT.get(), held["properties"].get("managed_by")
    at_work = process is not None and process.name == "service"
    return at_work and mark is not None and entity.get("properties", {}).get("managed_by") == mark


OTHER = Mark("coderport/other", "0badcafe")
"""Another stack of the same Port."""
