"""What the figures are called: a case, and what of it was measured."""

from __future__ import annotations

FIRST = "first up"
AGAIN = "up, unchanged"
SYNC = "sync, unchanged"
SYNC_CHANGED = "sync, 1 % changed"
DRIFT = "drift, nothing drifted"
DRIFTED = "drift, 1 % drifted"
IDLE_FIRST = "first up, provider that does nothing"
IDLE_AGAIN = "up, unchanged, provider that does nothing"
AT_ONCE = "first up, everything registered at once"
READS = "reading Coder, then Port"
BARE = "bare CLI, targets without changes"
ONE_BY_ONE = "one by one, as the stock provider"
OCEAN = "Ocean's client, all entities"
OCEAN_CHANGED = "Ocean's client, the 1 %"
CHURN = "reading while 5 a second start or stop"
PAGE_WALK = "plain page walk while 5 a second start or stop"
LIVE = "live, while builds happen all the time"

LAG_HALF = "lag of builds, half of them at most"
LAG_MOST = "lag of builds, 99 of 100 at most"
LATE = "builds that never arrived"
RENAMES_MOST = "lag of renames, 99 of 100 at most"
A_MINUTE = "Coder requests in a minute at most"
IDLE_CORE = "processor while nothing happens"
WALL = "wall"
EXTRAPOLATED = "wall, extrapolated"
PORT_REQUESTS = "Port requests"
PORT_WRITES = "Port writes"
ENTITY_WRITES = "Port requests that write entities"
RESOURCE_REQUESTS = "Port requests for blueprints and actions, each"
OTHER_REQUESTS = "all other Port requests"
CODER_REQUESTS = "Coder requests"
ENGINE_RAN = "runs of the engine"
NOT_WHOLE = "share that was not whole"


ALL = "program, engine and provider"
REVISION = "d10f285"
"""The commit by which the goals for speed were set."""


def priced(case: str) -> str:
    """The case beside a Coder whose answers take what they take on a real one."""
    return f"{case}, real prices"


def before(case: str) -> str:
    """The same case with the project as it was when the goals were set."""
    return f"{priced(case)}, {REVISION}"


def figure(case: str, what: str) -> str:
    """The name of a row."""
    return f"{case}: {what}"


def memory(role: str) -> str:
    """What the peak memory of a process is called."""
    return f"memory of the {role}"
