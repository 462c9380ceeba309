"""Probes of Port's bulk routes and of its searches."""

from __future__ import annotations

import time
from typing import Any, Final

from coderport.conformance.port_bench import PortBench
from coderport.conformance.port_entity_probes import kinds, plain
from coderport.conformance.probe import NotAsked, Probe
from coderport.conformance.talk import Answer

_OPENAPI: Final = "Port's OpenAPI, August 2026"
_OPEN: Final = "none: an assumption"


def _bulk(bench: PortBench, blueprint: str, *items: Any, **query: Any) -> Answer:
    return bench.ask(
        "POST", f"/blueprints/{blueprint}/entities/bulk", {"entities": list(items)}, upsert="true", **query
    )


def _bulk_delete(bench: PortBench, *names: str) -> Answer:
    path = f"/blueprints/{plain(bench)}/bulk/entities/delete"
    return bench.ask("POST", path, {"entities": list(names)}, delete_dependents="false")


def _one_written(bench: PortBench) -> Any:
    return bench.shared("bulk", lambda: _bulk(bench, plain(bench), {"identifier": "bulk"}).expect(200, 201).body)


def _one_deleted(bench: PortBench) -> Any:
    def make() -> Any:
        bench.put(plain(bench), "bulk-deleted").expect(200, 201)
        return _bulk_delete(bench, "bulk-deleted", "never-was").expect(200).body

    return bench.shared("bulk delete", make)


def _most(body: Any) -> Any:
    if "maxBulkSize" not in body:
        raise NotAsked("answers of bulk calls do not say it")
    return body["maxBulkSize"]


def _too_large(bench: PortBench) -> Any:
    most = int(_one_written(bench).get("maxBulkSize", 20))
    if most > 500:
        raise NotAsked(f"one call may have {most} items")
    items = [{"identifier": f"many-{number}"} for number in range(most + 1)]
    return _bulk(bench, plain(bench), *items, validation_only="true").status


def _mixed(bench: PortBench) -> Any:
    def make() -> Any:
        good, bad = {"identifier": "good"}, {"identifier": "bad", "properties": {"nobody_has_this": 1}}
        return _bulk(bench, plain(bench), good, bad)

    return bench.shared("mixed", make)


def _mixed_items(bench: PortBench) -> Any:
    body = _mixed(bench).expect(200, 207).body
    done = [[item["index"], item["created"]] for item in body["entities"]]
    return {"done": done, "failed": [[item["index"], item["statusCode"], item["error"]] for item in body["errors"]]}


def _atomic(bench: PortBench) -> Any:
    _mixed(bench)
    return bench.ask("GET", bench.entity_path(plain(bench), "good")).status == 404


def _itself(bench: PortBench) -> str:
    def make() -> str:
        name = bench.name("itself")
        relation = {"title": "N", "target": name, "required": False, "many": False}
        return bench.blueprint("itself", relations={"next": relation})

    return bench.shared("itself", make)


def _sees_itself(bench: PortBench) -> Any:
    items = {"identifier": "first"}, {"identifier": "second", "relations": {"next": "first"}}
    return _bulk(bench, _itself(bench), *items).expect(200, 207).status == 200


def _sees_later(bench: PortBench) -> Any:
    items = {"identifier": "third", "relations": {"next": "fourth"}}, {"identifier": "fourth"}
    return _bulk(bench, _itself(bench), *items).expect(200, 207).status


def _twice(bench: PortBench) -> Any:
    items = ({"identifier": "twice", "title": title} for title in ("one", "two"))
    _bulk(bench, plain(bench), *items).expect(200, 207)
    return bench.ask("GET", bench.entity_path(plain(bench), "twice")).expect(200).member("entity").get("title")


# ---------------------------------------------------------------- searches


def _search(bench: PortBench, blueprint: str, *rules: Any, **members: Any) -> Answer:
    query = {"query": {"combinator": "and", "rules": list(rules)}} if rules else {}
    return bench.ask("POST", f"/blueprints/{blueprint}/entities/search", {**query, **members})


def _is(name: str) -> dict[str, Any]:
    return {"property": "$identifier", "operator": "=", "value": name}


def _search_delay(bench: PortBench) -> Any:
    bench.put(plain(bench), "fresh").expect(200, 201)
    return bench.seconds_until(lambda: bool(_search(bench, plain(bench), _is("fresh")).expect(200).member("entities")))


def _found(bench: PortBench, **members: Any) -> Any:
    """One entity that was written long enough ago for a search to find it, as a search answers it."""

    def rows(**members: Any) -> Any:
        return _search(bench, kinds(bench), _is("searched"), **members).expect(200).member("entities")

    def make() -> float | str:
        bench.put(kinds(bench), "searched", title="S", properties={"text": "a", "number": 1}).expect(200, 201)
        return bench.seconds_until(lambda: bool(rows()))

    waited = bench.shared("searched", make)
    if isinstance(waited, str):
        raise NotAsked(f"the search does not find what was written: {waited}")
    return rows(**members)[0]


def _short(bench: PortBench) -> Any:
    shown = _found(bench, include=["$title", "text"])
    return shown.get("title") == "S" and shown.get("properties", {}).get("text") == "a"


def _plain_search(bench: PortBench) -> Any:
    _found(bench)
    path = f"/blueprints/{kinds(bench)}/entities/search"
    query = {"combinator": "and", "rules": [_is("searched")]}
    answer = bench.ask("POST", path, {"query": query}, exclude_calculated_properties="true").expect(200)
    return "moment" in answer.member("entities")[0]["properties"]


def _pages(bench: PortBench) -> Any:
    first, second = (_search(bench, plain(bench), limit=limit).verdict for limit in (1000, 1001))
    return [first, second]


def _walk(bench: PortBench) -> Any:
    """Whether pages of two, one after the other, end and hold what one page of all holds."""
    whole = {row["identifier"] for row in _search(bench, _itself(bench)).expect(200).member("entities")}
    seen: list[str] = []
    following: Any = None
    for _ in range(10):
        page = _search(bench, _itself(bench), limit=2, **({"from": following} if following else {})).expect(200).body
        seen += [row["identifier"] for row in page["entities"]]
        following = page.get("next")
        if not following:
            return sorted(seen) == sorted(whole)
    return "it does not end"


def _counted(bench: PortBench) -> Any:
    found = bench.ask("POST", f"/blueprints/{_itself(bench)}/entities/search/count", {})
    return found.verdict


def _whole_count(bench: PortBench) -> Any:
    count = bench.ask("GET", f"/blueprints/{_itself(bench)}/entities-count").expect(200).member("count")
    rows = bench.ask("GET", f"/blueprints/{_itself(bench)}/entities").expect(200).member("entities")
    return count == len(rows)


def _by_time(bench: PortBench) -> Any:
    _found(bench)
    rule = {"property": "$updatedAt", "operator": ">", "value": "2020-01-01T00:00:00.000Z"}
    return len(_search(bench, kinds(bench), _is("searched"), rule).expect(200).member("entities"))


def _by_datasource(bench: PortBench) -> Any:
    _found(bench)
    rule = {"property": "$datasource", "operator": "contains", "value": "coderport-conformance"}
    return len(_search(bench, kinds(bench), _is("searched"), rule).expect(200).member("entities"))


def _unknown_operator(bench: PortBench) -> Any:
    return _search(bench, plain(bench), {"property": "$title", "operator": "resembles", "value": "x"}).verdict


def _moment(bench: PortBench, identifier: str) -> Any:
    """The entity's calculated property as a read shows it."""
    path = bench.entity_path(kinds(bench), identifier)
    return bench.ask("GET", path).expect(200).member("entity")["properties"].get("moment")


def _calculations_delay(bench: PortBench) -> Any:
    def make() -> float | str:
        bench.put(kinds(bench), "calculated").expect(200, 201)
        return bench.seconds_until(lambda: _moment(bench, "calculated") is not None)

    return bench.shared("calculated", make)


def _calculations(bench: PortBench) -> Any:
    waited = _calculations_delay(bench)
    if isinstance(waited, str):
        raise NotAsked(f"a new entity has no calculated property: {waited}")
    seen = []
    for _ in "ab":
        time.sleep(1.1)
        seen.append(_moment(bench, "calculated"))
    return "read" if seen[0] != seen[1] else "stored"


BULK_PROBES: tuple[Probe[PortBench], ...] = (
    Probe(
        "bulk.announces-its-size",
        "Do answers of bulk calls say how many items one may have?",
        _OPENAPI,
        True,
        lambda bench: "maxBulkSize" in _one_written(bench),
        "announces_bulk_size",
    ),
    Probe(
        "bulk.most-upserts",
        "How many entities may one bulk write have?",
        _OPENAPI,
        20,
        lambda bench: _most(_one_written(bench)),
        "max_bulk_upserts",
    ),
    Probe(
        "bulk.most-deletions",
        "How many entities may one bulk deletion have?",
        _OPENAPI,
        100,
        lambda bench: _most(_one_deleted(bench)),
        "max_bulk_deletes",
    ),
    Probe("bulk.too-large", "How is a bulk write of one more refused?", _OPENAPI, 422, _too_large, "bulk_too_large"),
    Probe(
        "bulk.mixed",
        "Is a bulk write with one bad item a 207?",
        _OPENAPI,
        207,
        lambda bench: _mixed(bench).status,
    ),
    Probe(
        "bulk.mixed-items",
        "Are the items of a bulk write told apart by index, with status and error?",
        _OPENAPI,
        {"done": [[0, True]], "failed": [[1, 422, "blueprint_schema_mismatch"]]},
        _mixed_items,
    ),
    Probe(
        "bulk.is-atomic",
        "Does one bad item keep the others of a bulk write out?",
        _OPENAPI,
        False,
        _atomic,
        "bulk_is_atomic",
    ),
    Probe(
        "bulk.sees-earlier-items",
        "May an item of a bulk write relate to an earlier one of the same call?",
        _OPEN,
        True,
        _sees_itself,
        "bulk_sees_itself",
        is_open=True,
    ),
    Probe(
        "bulk.sees-later-items",
        "May an item of a bulk write relate to a later one of the same call?",
        _OPEN,
        207,
        _sees_later,
        is_open=True,
    ),
    Probe("bulk.order", "Is the last of two items of one identifier what stays?", _OPEN, "two", _twice, is_open=True),
    Probe(
        "bulk.deletes-what-exists",
        "Does a bulk deletion pass over what does not exist?",
        "Port's OpenAPI: the answer names those that were deleted",
        ["bulk-deleted"],
        lambda bench: _one_deleted(bench)["deletedEntities"],
    ),
    Probe(
        "search.delay",
        "After how many seconds does a search find a new entity?",
        "none: an assumption (the Terraform provider waits up to 10 for teams)",
        0.0,
        _search_delay,
        "search_delay",
        is_open=True,
    ),
    Probe(
        "search.short-include",
        "Does `include` take `$title` and bare names of properties?",
        _OPENAPI,
        True,
        _short,
        "short_include",
    ),
    Probe(
        "search.without-calculations",
        "Does `exclude_calculated_properties` work for a search?",
        "port-labs/port-cli, entity_search.go",
        False,
        _plain_search,
    ),
    Probe("search.pages", "Is 1,000 the longest page?", _OPENAPI, ["200", "422 invalid_request"], _pages),
    Probe("search.walk", "Do pages, one after the other, hold every entity once?", _OPENAPI, True, _walk),
    Probe("search.count", "Can a search be counted?", "port-labs/port-cli", "200", _counted),
    Probe("entities.count", "Does the count agree with the list?", _OPENAPI, True, _whole_count),
    Probe("search.by-time", "Can `$updatedAt` be searched?", "Port's docs, search and query", 1, _by_time),
    Probe(
        "search.by-datasource",
        "Is the writer's User-Agent its `$datasource`?",
        "Ocean and port-k8s-exporter rely on it",
        1,
        _by_datasource,
    ),
    Probe(
        "search.unknown-operator",
        "Is an unknown operator refused?",
        "error table of Port's OpenAPI, July 2025",
        "422 invalid_request",
        _unknown_operator,
    ),
    Probe(
        "calculations",
        "Are calculated properties computed on each read, or kept?",
        "port-labs/port-skills: kept for accounts made after 2026-03-30",
        "stored",
        _calculations,
        "calculations",
    ),
    Probe(
        "calculations.delay",
        "After how many seconds has a new entity its calculated properties?",
        "port-labs/port-skills: computed in the background; how soon is not told",
        0.0,
        _calculations_delay,
        "calculations_delay",
        is_open=True,
    ),
)
