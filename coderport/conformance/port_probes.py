"""All probes of Port, the open questions first: where Port is slow, requests may run out before the end."""

from __future__ import annotations

from coderport.conformance.port_access_probes import ACCESS_PROBES
from coderport.conformance.port_action_probes import ACTION_PROBES
from coderport.conformance.port_bench import PortBench
from coderport.conformance.port_blueprint_probes import BLUEPRINT_PROBES
from coderport.conformance.port_bulk_probes import BULK_PROBES
from coderport.conformance.port_entity_probes import ENTITY_PROBES
from coderport.conformance.probe import Probe

PORT_PROBES: tuple[Probe[PortBench], ...] = tuple(
    sorted(
        (*ENTITY_PROBES, *BULK_PROBES, *BLUEPRINT_PROBES, *ACTION_PROBES, *ACCESS_PROBES),
        key=lambda probe: not probe.is_open,
    )
)
