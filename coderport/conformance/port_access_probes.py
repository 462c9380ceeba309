"""Probes of what surrounds Port's routes: headers, budgets, people, the organization."""

from __future__ import annotations

from typing import Any, Final

from coderport.catalog.identifiers import PORT_USERS as USERS
from coderport.conformance.port_bench import PortBench
from coderport.conformance.port_entity_probes import plain
from coderport.conformance.probe import NotAsked, Probe

_OPENAPI: Final = "Port's OpenAPI, August 2026"
_HEADERS: Final = ("period", "limit", "remaining", "reset")


def _limits(bench: PortBench) -> dict[str, str | None]:
    """The limit that each way to reach one entity says it draws from."""

    def make() -> dict[str, str | None]:
        path = bench.entity_path(plain(bench), "limits")
        asked = {
            "upsert": bench.put(plain(bench), "limits"),
            "read": bench.ask("GET", path),
            "put": bench.ask("PUT", path, {"title": "put"}),
            "patch": bench.ask("PATCH", path, {"title": "patch"}),
            "delete": bench.ask("DELETE", path, delete_dependents="false"),
        }
        return {key: answer.headers.get("x-ratelimit-limit") for key, answer in asked.items()}

    return bench.shared("limits", make)


def _single_budget(bench: PortBench) -> Any:
    limits = _limits(bench)
    if limits["upsert"] is None or limits["upsert"] == limits["read"]:
        raise NotAsked(f"the headers do not tell the budgets apart: {limits}")
    names = {limits["upsert"]: "single upsert", limits["read"]: "entities"}
    found = {names.get(limits[key], f"a limit of {limits[key]}") for key in ("put", "patch", "delete")}
    return found.pop() if len(found) == 1 else limits


def _upsert_limit(bench: PortBench) -> Any:
    return _limits(bench)["upsert"]


def _rate_headers(bench: PortBench) -> Any:
    headers = bench.ask("GET", "/organization").headers
    return [name for name in _HEADERS if f"x-ratelimit-{name}" not in headers]


def _reset(bench: PortBench) -> Any:
    given = bench.ask("GET", "/organization").headers.get("x-ratelimit-reset", "")
    if not given.isdecimal():
        return given
    return "seconds" if int(given) <= 10_000 else "a time"


def _trace(bench: PortBench) -> Any:
    return "x-trace-id" in bench.ask("GET", "/organization").headers


def _scim(bench: PortBench) -> Any:
    users = bench.ask("GET", "/users", fields=["email", "managedByScim"]).expect(200).member("users")
    if not users:
        raise NotAsked("the organization has no people")
    return any("managedByScim" in user for user in users)


def _ids(bench: PortBench) -> Any:
    users = bench.ask("GET", "/users", fields=["id", "email"]).expect(200).member("users")
    if not users:
        raise NotAsked("the organization has no people")
    return all(set(user) == {"id", "email"} for user in users)


def _roles(bench: PortBench) -> Any:
    users = bench.ask("GET", "/users", fields=["email", "roles.name"]).expect(200).member("users")
    if not users:
        raise NotAsked("the organization has no people")
    return all(isinstance(role.get("name"), str) for user in users for role in user["roles"])


def _people(bench: PortBench) -> Any:
    """Whether the entities of Port's own blueprint of users are known by the addresses that the users' list has."""
    users = bench.ask("GET", "/users", fields=["id", "email"]).expect(200).member("users")
    if not users:
        raise NotAsked("the organization has no people")
    found = bench.ask("POST", f"/blueprints/{USERS}/entities/search", {"limit": 1000, "include": ["$identifier"]})
    addresses = {str(user["email"]).lower() for user in users}
    return any(str(each["identifier"]).lower() in addresses for each in found.expect(200).member("entities"))


def _teams_of_a_person(bench: PortBench) -> Any:
    """Whether an entity two relations away from a person has the teams that the person has."""
    found = bench.ask("POST", f"/blueprints/{USERS}/entities/search", {"limit": 100}).expect(200).member("entities")
    person = next((each for each in found if each.get("team")), None)
    if person is None:
        raise NotAsked("the organization has no people in teams")
    one = {"required": False, "many": False}
    account = bench.blueprint("account", relations={"person": {"title": "Person", "target": USERS, **one}})
    owned = bench.blueprint(
        "owned",
        relations={"account": {"title": "Account", "target": account, **one}},
        ownership={"type": "Inherited", "path": "account.person", "title": "Owning Teams"},
    )
    bench.put(account, "a", relations={"person": person["identifier"]}).expect(200, 201)
    bench.put(owned, "o", relations={"account": "a"}).expect(200, 201)
    entity = bench.ask("GET", bench.entity_path(owned, "o")).expect(200).member("entity")
    return set(entity.get("team") or ()) == set(person["team"])


def _organization(bench: PortBench) -> Any:
    organization = bench.ask("GET", "/organization").expect(200).member("organization")
    return isinstance(organization.get("id"), str) and isinstance(organization.get("name"), str)


def _unknown_route(bench: PortBench) -> Any:
    return bench.ask("GET", f"/{bench.name('nowhere')}").status


def _not_json(bench: PortBench) -> Any:
    return bench.ask("POST", f"/blueprints/{plain(bench)}/entities/search", ["no", "object"]).verdict


ACCESS_PROBES: tuple[Probe[PortBench], ...] = (
    Probe(
        "rates.single-write",
        "Which budget do PUT, PATCH and DELETE of one entity draw from?",
        "none: an assumption",
        "entities",
        _single_budget,
        "single_write_budget",
        is_open=True,
    ),
    Probe("rates.upsert", "What is the limit of single upserts?", "Port's docs, rate limits", "10000", _upsert_limit),
    Probe("rates.headers", "Do answers lack any of the rate headers?", "Port's docs, rate limits", [], _rate_headers),
    Probe("rates.reset", "Is `x-ratelimit-reset` in seconds?", "Terraform provider, ratelimit.go", "seconds", _reset),
    Probe("answers.trace-id", "Has an answer a trace id?", "Port's docs, port-api.info.mdx", True, _trace),
    Probe(
        "users.managed-by-scim",
        "Do users say whether an identity provider manages them?",
        _OPENAPI,
        True,
        _scim,
        "users_have_scim",
    ),
    Probe(
        "users.own-by-team",
        "Does what inherits its ownership over relations to a person have the teams of that person?",
        "docs.port.io, sso-rbac/ownership and sso-rbac/rbac/as-blueprints, each in a part",
        True,
        _teams_of_a_person,
        "users_own_by_team",
    ),
    Probe("users.fields", "Are users cut down to the fields that were asked for?", _OPENAPI, True, _ids),
    Probe("users.roles", "Do users say the names of the roles that they have?", _OPENAPI, True, _roles),
    Probe(
        "users.entities",
        f"Are people entities of the blueprint `{USERS}`, known by their e-mail addresses?",
        "port-labs' guide that maps GitHub's users to Port's",
        True,
        _people,
    ),
    Probe("organization", "Has the organization an id and a name?", "port-k8s-exporter", True, _organization),
    Probe(
        "answers.unknown-route", "Is an unknown route a 404?", "none: an assumption", 404, _unknown_route, is_open=True
    ),
    Probe("answers.no-object", "Is a body that is no object refused?", _OPENAPI, "422 invalid_request", _not_json),
)
