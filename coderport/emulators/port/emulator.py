"""The emulated Port organization: what tests, the demo and the control routes do to it."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from starlette.datastructures import QueryParams
from starlette.routing import Route

from coderport.emulators.kit import Clock, EmulatorError, Faults, Instrumented, RequestLog, Served, serve
from coderport.emulators.port.access import Access
from coderport.emulators.port.app import TOKEN_ROUTE, Api
from coderport.emulators.port.approvals import decide
from coderport.emulators.port.behaviour import Behaviour
from coderport.emulators.port.blueprint_routes import create_blueprint, replace_blueprint
from coderport.emulators.port.budgets import Budgets
from coderport.emulators.port.deliveries import Deliveries, WorkflowHook
from coderport.emulators.port.integrations import GITHUB, integration
from coderport.emulators.port.invoking import start_approved
from coderport.emulators.port.people import USER_BLUEPRINT, USERS, User, person
from coderport.emulators.port.problems import Problem
from coderport.emulators.port.records import Json, Writer
from coderport.emulators.port.runs import Run, RunFilter, the_run, whole_json
from coderport.emulators.port.store import ItemFault, Store
from coderport.emulators.port.triggering import trigger
from coderport.emulators.port.views import STORED, entities_json, entity_json
from coderport.emulators.port.writing import Manner, write

T = TypeVar("T")

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_SEARCHES = ("/entities/search", "/entities/search/count")
_VALIDATE = ("/entities", "/entities/bulk")
"""Where `validation_only` makes a POST a question: Port says what it would say, and writes nothing."""


def _is_write(method: str, target: str) -> bool:
    path, _, query = target.partition("?")
    asks = method == "POST" and path.endswith(_VALIDATE) and QueryParams(query).get("validation_only") == "true"
    reads = method in ("GET", "HEAD", "OPTIONS") or path == TOKEN_ROUTE or path.endswith(_SEARCHES)
    return not (reads or asks)


class PortEmulator:
    """A Port organization in memory; `app` is its ASGI application.

    It starts empty but for its GitHub `integrations`, which Port hosts and which carry out actions. `behaviour` is how
    it answers where Port changed, where organizations differ or where nobody knows; `switches` are single fields of it.

    `organization_id`, generated identifiers and tokens follow from `seed`. `rate_limits` is how many times Port's
    documented budgets hold: True (1) as documented, 0.01 a hundredth of them, False (0) no limit; the clock is in
    seconds, as is `webhook_timeout`. `strict_destinations` refuses webhooks to private hosts, as Port's cloud does;
    without it those to loopback are sent, and no others ever are. The methods may be called from any thread while it
    serves; they validate as the API does and raise `Problem` where it would refuse. What they return is a copy.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        client_id: str = "emulator-client",
        client_secret: str = "emulator-secret",
        organization_name: str = "Emulated organization",
        rate_limits: float = False,
        latency_ms: float = 0,
        strict_destinations: bool = False,
        webhook_timeout: float = 30,
        integrations: tuple[str, ...] = (GITHUB,),
        behaviour: Behaviour | None = None,
        clock: Clock = time.time,
        **switches: Any,
    ) -> None:
        chance = random.Random(f"port {seed}")
        self.url: str | None = None
        self.client_id, self.client_secret = client_id, client_secret
        self.organization_id = "org_" + "".join(chance.choices(_LETTERS, k=16))
        self.faults, self.log = Faults(seed), RequestLog(_is_write)
        self.faults.latency_ms = latency_ms
        self._random = chance
        behaves = replace(behaviour or Behaviour(), **switches)
        self._store = Store(clock, chance, self.organization_id, strict_destinations, behaves)
        create_blueprint(self._store, USER_BLUEPRINT, Writer("port", "port"))
        for name in integrations:
            self.put_integration(name)
        self._deliveries = Deliveries(self._store, client_id, client_secret, webhook_timeout)
        self._store.outbox = self._deliveries.put
        self._access = Access(self.organization_id, clock, chance)
        self._access.add(client_id, client_secret)
        organization = {"id": self.organization_id, "name": organization_name}
        api = Api(self._store, self._access, Budgets(clock, rate_limits), organization)
        self.app = Instrumented(api, self.faults, self.log, clock)

    def serve(self, port: int = 0) -> Served:
        """Serve the application on loopback; sets `url`."""
        served = serve(self.app, port)
        self.url = served.url
        return served

    @property
    def behaviour(self) -> Behaviour:
        """How it answers; may be replaced while it serves."""
        return self._store.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        with self._store.lock:
            self._store.behaviour = behaviour

    def control_routes(self) -> list[Route]:
        """Routes to look into it, change and break it, for a server of their own."""
        from coderport.emulators.port.control import routes  # it drives this class

        return routes(self)

    def look(self, at: Callable[[Store], T]) -> T:
        """What `at` makes of the store, which it may not keep: the store's lock is held meanwhile."""
        with self._store.lock:
            return at(self._store)

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
            return None if found is None else copy.deepcopy(entity_json(self._store, found, STORED))

    def entities(self, blueprint: str) -> list[Json]:
        """All entities of the blueprint in the order of creation; none where there is no such blueprint."""
        with self._store.lock:
            held = self._store.blueprints.get(blueprint)
            return [] if held is None else copy.deepcopy(entities_json(self._store, held.rows.since(0), STORED))

    def put_entity(self, blueprint: str, body: Json, by: str = "someone") -> Json:
        """Create or change an entity (upsert with merge) as another writer would."""
        with self._store.lock:
            manner = Manner(upsert=True, merge=True, patch=True)
            held = self._store.blueprint(blueprint)
            entity, _ = write(self._store, held, copy.deepcopy(body), manner, Writer(by, by))
            return copy.deepcopy(entity_json(self._store, entity, STORED))

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

    # ------------------------------------------------------------ people, secrets

    def add_user(self, email: str, roles: tuple[str, ...] = ("Member",), teams: tuple[str, ...] = ()) -> Json:
        """Let a person in (or change one who is in); as ``GET /v1/users/{email}`` shows them.

        Whoever's address cannot be an identifier has no entity of ``_user``: assumed, nothing says what Port does.
        """
        with self._store.lock:
            held = self._store.users.get(email)
            user_id = held.id if held else f"auth0|{self._random.randbytes(12).hex()}"
            user = User(user_id, email, tuple(roles), tuple(teams), held.created_at if held else self._store.now())
            self._store.users[email] = user
            with suppress(Problem):
                self.put_entity(USERS, user.entity(), by="port")
            return user.shown(self.organization_id)

    def remove_user(self, email: str) -> None:
        """Take a person out of the organization. What they did keeps the id that they had."""
        with self._store.lock:
            del self._store.users[email]
            if self.entity(USERS, email) is not None:
                self.delete_entity(USERS, email)

    def set_secret(self, name: str, value: str) -> None:
        """A secret of the organization, for ``.secrets`` of payloads."""
        with self._store.lock:
            self._store.secrets[name] = value

    def deliver_by(self, carry: Callable[[str], None]) -> None:
        """Hand the ids of runs to `carry`, with the store's lock held, in place of sending webhooks and dispatches."""
        self._store.outbox = carry

    # ------------------------------------------------------------ integrations, behaviour

    def put_integration(
        self,
        installation_id: str,
        kind: str = GITHUB,
        *,
        processes_actions: bool = True,
        hears_events: bool | None = True,
    ) -> Json:
        """Install an integration, or change one. `hears_events` None is a self-hosted one, of which Port knows less."""
        with self._store.lock:
            body = integration(
                self._store, installation_id, kind, processes_actions=processes_actions, hears_events=hears_events
            )
            self._store.integrations[installation_id] = body
            return copy.deepcopy(body)

    def remove_integration(self, installation_id: str) -> None:
        """Uninstall an integration; one that is not there is fine."""
        with self._store.lock:
            self._store.integrations.pop(installation_id, None)

    def set_default_branch(self, repository: str, branch: str) -> None:
        """The default branch of a repository of GitHub, organization/name."""
        with self._store.lock:
            self._store.default_branches[repository] = branch

    def behave(self, **switches: Any) -> None:
        """Change fields of `behaviour` from now on."""
        with self._store.lock:
            self._store.behaviour = replace(self._store.behaviour, **switches)

    # ------------------------------------------------------------ runs

    def run_action(
        self,
        identifier: str,
        *,
        by: str,
        inputs: Json | None = None,
        entity: str | None = None,
        view_as: str | None = None,
    ) -> Json:
        """Run an action as the person with that e-mail does in Port's pages; the run, which may have ended already.

        With `view_as` they act as the person of that e-mail. An input that is None was cleared: it gets no default.
        """
        given = copy.deepcopy(inputs or {})
        cleared = frozenset(key for key, value in given.items() if value is None)
        filled = {key: value for key, value in given.items() if key not in cleared}
        with self._store.lock:
            user, other = person(self._store.users, by), self._person(view_as)
            run = trigger(self._store, identifier, filled, entity, user, "UI", view_as=other, cleared=cleared)
            return self._shown(run)

    def _person(self, email: str | None) -> User | None:
        return None if email is None else person(self._store.users, email)

    def runs(self, *, action: str | None = None, external_run_id: str | None = None) -> list[Json]:
        """All runs (of the action; with that external id), the newest first."""
        with self._store.lock:
            chosen = RunFilter(action=action, external_run_id=external_run_id)
            return [self._shown(run) for run in chosen.matching(self._store)]

    def run(self, run_id: str) -> Json:
        """The run as the API answers it, with None for what that leaves out."""
        with self._store.lock:
            return self._shown(the_run(self._store, run_id))

    def run_logs(self, run_id: str) -> list[Json]:
        """All log lines of the run, in the order of writing."""
        with self._store.lock:
            return copy.deepcopy(the_run(self._store, run_id).logs)

    def run_entities(self, run_id: str) -> list[Json]:
        """The entities tied to the run: blueprint, identifier, and the last `action` (CREATE, UPDATE or DELETE)."""
        with self._store.lock:
            affected = the_run(self._store, run_id).affected
            return [{"blueprint": key[0], "identifier": key[1], "action": what} for key, what in affected.items()]

    def wait_for_run(self, run_id: str, timeout: float = 300) -> Json:
        """The run once it has ended; `EmulatorError` if it has not after that many seconds."""
        with self._store.lock:
            run = the_run(self._store, run_id)
            if not self._store.changed.wait_for(lambda: run.ended, timeout):
                raise EmulatorError(f"run {run_id} is still {run.status} after {timeout} s")
            return self._shown(run)

    def approve(self, run_id: str, by: str, description: str | None = None, view_as: str | None = None) -> Json:
        """Approve a waiting run as that person (who acts as another); it starts unless others must agree, too."""
        return self._decide(run_id, by, "APPROVE", description, view_as)

    def decline(self, run_id: str, by: str, description: str | None = None, view_as: str | None = None) -> Json:
        """Decline a waiting run as that person (who acts as another), which ends it."""
        return self._decide(run_id, by, "DECLINE", description, view_as)

    def _decide(self, run_id: str, by: str, verdict: str, description: str | None, view_as: str | None) -> Json:
        with self._store.lock:
            run, user, other = the_run(self._store, run_id), person(self._store.users, by), self._person(view_as)
            if decide(self._store, run, verdict, description, user, self.client_id, view_as=other):
                start_approved(self._store, run)
            return self._shown(run)

    def _shown(self, run: Run) -> Json:
        return copy.deepcopy(whole_json(self._store, run))

    # ------------------------------------------------------------ invocations

    @property
    def dispatches(self) -> list[Json]:
        """Workflows dispatched so far: run_id, org, repo, workflow, ref, inputs, report_status."""
        with self._store.lock:
            return copy.deepcopy(self._store.dispatches)

    @property
    def deliveries(self) -> list[Json]:
        """Webhooks sent so far: run_id, method, url, headers, body (text), status of the answer (None: none yet)."""
        with self._store.lock:
            return copy.deepcopy(self._deliveries.sent)

    def on_dispatch(self, hook: WorkflowHook | None) -> None:
        """Let `hook` stand for GitHub: it gets each dispatch in a thread, and its exit code is the workflow's."""
        self._deliveries.hook = hook

    def finish_workflow(self, run_id: str, code: int = 0) -> None:
        """End the dispatched workflow of a run, as GitHub would tell Port."""
        with self._store.lock:
            run = the_run(self._store, run_id)
            dispatch = next((each for each in self._store.dispatches if each["run_id"] == run_id), None)
            if dispatch is None:
                raise EmulatorError(f"run {run_id} has dispatched no workflow")
            self._deliveries.report_workflow(run, dispatch, code)

    def redeliver(self, run_id: str) -> None:
        """Send the webhook of a run once more, with a signature of now."""
        with self._store.lock:
            if all(each["run_id"] != run_id for each in self._deliveries.sent):
                raise EmulatorError(f"run {run_id} has sent no webhook")
            self._deliveries.put(run_id)

    def settle(self, timeout: float = 300) -> None:
        """Return once every webhook is answered and every hook is done; `EmulatorError` if that takes longer."""
        if not self._deliveries.settle(timeout):
            raise EmulatorError(f"invocations are still under way after {timeout} s")

    # ------------------------------------------------------------ requests

    def fail_items(
        self, identifiers: list[str], status: int, error: str, message: str = "injected", times: int | None = None
    ) -> None:
        """Let these entities fail in bulk writes (207) with that status and error; `times` None: always."""
        with self._store.lock:
            fault = ItemFault(frozenset(identifiers), Problem(status, error, message), times)
            self._store.item_faults.append(fault)

    def clear_item_faults(self) -> None:
        """Let all items of bulk writes be again."""
        with self._store.lock:
            self._store.item_faults.clear()

    @property
    def writes(self) -> int:
        """Requests since the last reset that write: neither reads nor searches nor those for tokens."""
        return self.log.writes

    def reset_requests(self) -> None:
        """Count from zero."""
        self.log.reset()

    def objects(self) -> dict[str, Any]:
        """What somebody made: identifiers of blueprints with their number of entities, of actions and of pages."""
        with self._store.lock:
            made = {name: len(held.rows) for name, held in self._store.blueprints.items() if name != USERS}
            return {
                "blueprints": made,
                "actions": list(self._store.actions),
                "pages": list(self._store.pages),
            }
