"""How long the Coder emulator takes for a page of 1,000 workspaces out of 20,000, beside one out of 1,000.

Run it from the project's folder: ``python -m benchmarks.emulator_pages``. It prints the medians and their ratio for
the first answer (rows rendered) and for later ones (rows kept), with a change of state before each later page.
"""

from __future__ import annotations

import statistics
import time

import httpx

from coderport.emulators.coder import CoderEmulator

PAGE, ROUNDS = 1_000, 15
SMALL, LARGE = 1_000, 20_000


def page_seconds(workspaces: int) -> tuple[float, float]:
    """Median seconds of pages that nobody has asked for before, and of later ones under change."""
    emulator = CoderEmulator(1, workspaces=workspaces, templates=50, users=500)
    with emulator.serve() as served, httpx.Client(base_url=served.url, timeout=60, trust_env=False) as client:
        headers = {"Coder-Session-Token": emulator.token}
        url = "/api/v2/workspaces"

        def seconds(offset: int) -> float:
            begun = time.perf_counter()
            answer = client.get(url, params={"limit": PAGE, "offset": offset}, headers=headers)
            taken = time.perf_counter() - begun
            assert answer.content.count(b'"latest_build"') == PAGE
            return taken

        first = [seconds(offset) for offset in range(0, workspaces, PAGE)]
        later = []
        for number in range(ROUNDS):
            emulator.change_states(5)
            later.append(seconds(number * PAGE % workspaces))
        return statistics.median(first), statistics.median(later)


def main() -> None:
    """Measure both sizes and print the ratios; the project's goal is at most 2."""
    small, large = page_seconds(SMALL), page_seconds(LARGE)
    for what, few, many in zip(("first page", "later pages"), small, large, strict=True):
        print(
            f"{what}: {few * 1000:.1f} ms out of {SMALL:,}, {many * 1000:.1f} ms out of {LARGE:,}: "
            f"ratio {many / few:.2f}"
        )


if __name__ == "__main__":
    main()
