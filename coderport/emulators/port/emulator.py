"""The emulated Port organization: what tests, the demo and the control routes do to it."""

from __future__ import annotations

import copy
import random
import time
from typing import Any

from starlette.routing import Route

from coderport.emulators.kit import Clock, Faults, Instrumented, RequestLog, Served, serve
from coderport.emulators.port.access import Access
from coderport.emulators.port.app import TOKEN_ROUTE, Api
from coderport.emulators.port.blueprint_routes import create_blueprint, replace_blueprint
from coderport.emulators.port.budgets import Budgets
from coderport.emulators.port.records import Json, Writer
from coderport.emulators.port.store import Store
from coderport.emulators.port.views import PLAIN, entities_json, entity_json
from coderport.emulators.port.writing import Manner, write

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _is_write(method: str, path: str) -> bool:
    reads = method in ("GET", "HEAD", "OPTIONS") or path == TOKEN_ROUTE or path.endswith("/entities/search")
    return not reads


class PortEmulator:
    """A Port organization in memory; `app` is its ASGI application.

    It starts empty. `organization_id`, generated identifiers and tokens follow from `seed`. `rate_limits` switches
    Port's documented budgets on; the clock is in seconds. The methods may be called from any thread while it serves;
    they validate as the API does and raise `Problem` where it would refuse. What they return is a copy.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        client_id: str = "emulator-client",
        client_secret: str = "emulator-secret",
        organization_name: str = "Emulated organization",
        rate_limits: bool = False,
        latency_ms: float = 0,
        clock: Clock = time.time,
    ) -> None:
        chance = random.Random(f"port {seed}")
        self.url: str | None = None
        self.client_id, self.client_secret = client_id, client_secret
        self.organization_id = "org_" + "".join(chance.choices(_LETTERS, k=16))
        self.faults, self.log = Faults(seed), RequestLog(_is_write)
        self.faults.latency_ms = latency_ms
        self._random = chance
        self._store = Store(clock, chance)
        self._access = Access(self.organization_id, clock, chance)
        self._access.add(client_id, client_secret)
        organization = {"id": self.organization_id, "name": organization_name}
        api = Api(self._store, self._access, Budgets(clock, enforced=rate_limits), organization)
        self.app = Instrumented(api, self.faults, self.log)

    def serve(self, port: int = 0) -> Served:
        """Serve the application on loopback; sets `url`."""
        served = serve(self.app, port)
        self.url = served.url
        return served

    def control_routes(self) -> list[Route]:
        """Routes to look into it, change and break it, for a server of their own."""
        from coderport.emulators.port.control import routes  # it drives this class

        return routes(self)

    # ------------------------------------------------------------ clients

    def add_client(self, name: str) -> tuple[str, str]:
        """Another set of credentials of the same organization: client id and secret."""
        with self._store.lock:
            secret = "".join(self._random.choices(_LETTERS, k=32))
            self._access.add(name, secret)
        return name, secret

    def revoke_tokens(self, client_id: str | None = None) -> None:
        """Make the client's token invalid at once, as if it had expired."""
        with self._store.lock:
            self._access.revoke(client_id or self.client_id)

    # ------------------------------------------------------------ entities

    def entity(self, blueprint: str, identifier: str) -> Json | None:
        """The entity without calculated properties, or None."""
        with self._store.lock:
            found = self._store.find((blueprint, identifier))
            return None if found is None else copy.deepcopy(entity_json(self._store, found, PLAIN))

    def entities(self, blueprint: str) -> list[Json]:
        """All entities of the blueprint in the order of creation; none where there is no such blueprint."""
        with self._store.lock:
            held = self._store.blueprints.get(blueprint)
            return [] if held is None else copy.deepcopy(entities_json(self._store, held.rows.since(0), PLAIN))

    def put_entity(self, blueprint: str, body: Json, by: str = "someone") -> Json:
        """Create or change an entity (upsert with merge) as another writer would."""
        with self._store.lock:
            manner = Manner(upsert=True, merge=True)
            held = self._store.blueprint(blueprint)
            entity, _ = write(self._store, held, copy.deepcopy(body), manner, Writer(by, by))
            return copy.deepcopy(entity_json(self._store, entity, PLAIN))

    def delete_entity(self, blueprint: str, identifier: str) -> None:
        """Delete an entity as another writer would."""
        with self._store.lock:
            found = self._store.entity(blueprint, identifier)
            self._store.delete({found.key: found}, dependents=False)

    # ------------------------------------------------------------ blueprints

    def blueprint(self, identifier: str) -> Json | None:
        """The blueprint as the API answers it, or None."""
        with self._store.lock:
            held = self._store.blueprints.get(identifier)
            return None if held is None else copy.deepcopy(held.body)

    def put_blueprint(self, body: Json, by: str = "someone") -> Json:
        """Create or replace a blueprint as another writer would."""
        with self._store.lock:
            body, writer = copy.deepcopy(body), Writer(by, by)
            held = self._store.blueprints.get(body.get("identifier", ""))
            if held is None:
                held = create_blueprint(self._store, body, writer)
            else:
                held = replace_blueprint(self._store, held, body, writer)
            return copy.deepcopy(held.body)

    # ------------------------------------------------------------ requests

    @property
    def writes(self) -> int:
        """Requests since the last reset that write: neither reads nor searches nor those for tokens."""
        return self.log.writes

    def reset_requests(self) -> None:
        """Count from zero."""
        self.log.reset()

    def objects(self) -> dict[str, Any]:
        """What exists: identifiers of blueprints with their number of entities, of actions and of pages."""
        with self._store.lock:
            return {
                "blueprints": {name: len(held.rows) for name, held in self._store.blueprints.items()},
                "actions": list(self._store.actions),
                "pages": list(self._store.pages),
            }
