"""All probes of Coder: those that read, then those that need the throwaway workspace."""

from __future__ import annotations

from coderport.conformance.coder_bench import CoderBench
from coderport.conformance.coder_build_probes import BUILD_PROBES
from coderport.conformance.coder_facility_probes import FACILITY_PROBES
from coderport.conformance.coder_list_probes import LIST_PROBES
from coderport.conformance.coder_read_probes import READ_PROBES
from coderport.conformance.probe import Probe

CODER_PROBES: tuple[Probe[CoderBench], ...] = (
    *LIST_PROBES,
    *READ_PROBES,
    *FACILITY_PROBES,
    *BUILD_PROBES,
)
