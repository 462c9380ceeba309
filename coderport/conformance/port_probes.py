"""The probes of Port."""

from __future__ import annotations

from typing import Any

from coderport.conformance.port_bench import PortBench
from coderport.conformance.probe import Probe


def _taken(bench: PortBench) -> Any:
    blueprint = _plain(bench)
    path = f"/blueprints/{blueprint}/entities"
    bench.ask("POST", path, {"identifier": "taken"}).expect(201)
    return bench.ask("POST", path, {"identifier": "taken"}).verdict


def _unset(bench: PortBench) -> Any:
    blueprint = _plain(bench)
    bench.put(blueprint, "unset").expect(200, 201)
    entity = bench.ask("GET", bench.entity_path(blueprint, "unset")).expect(200).member("entity")
    return "null" if "text" in entity["properties"] else "absent"


def _unknown_property(bench: PortBench) -> Any:
    return bench.put(_plain(bench), "unknown-property", properties={"nobody_has_this": 1}).verdict


def _plain(bench: PortBench) -> str:
    return bench.shared("plain", lambda: bench.blueprint("plain"))


PORT_PROBES: tuple[Probe[PortBench], ...] = (
    Probe(
        "entity.identifier-taken",
        "Does a second creation without upsert end in a conflict?",
        "seen live on 2026-09-25 (Banca-Agente-IA-demo/agentic-standard, unit_entity.py)",
        "409 identifier_taken",
        _taken,
    ),
    Probe(
        "entity.unset-property",
        "How does an answer show a property that was never written?",
        "Terraform provider, acceptance test EntityWithNulls",
        "null",
        _unset,
        behaviour="unset_property",
    ),
    Probe(
        "entity.unknown-property",
        "Is a property that the blueprint does not have refused?",
        "Port's older API description: blueprint_schema_mismatch",
        "422 blueprint_schema_mismatch",
        _unknown_property,
    ),
)
