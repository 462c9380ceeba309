"""Coder and Port on loopback, for the demo, the tests and the benchmarks.

They are unkind in the ways the real servers are, and they hold nothing but what they were seeded with:
every answer is computed from their own state, so a wrong request fails here as it would there.
"""

from __future__ import annotations
