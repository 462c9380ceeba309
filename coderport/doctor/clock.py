"""The clocks: this machine's beside Coder's and Port's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from coderport.doctor.check import Check
from coderport.runner.service.signature import TOLERANCE_SECONDS
from coderport.terminal.text import short

SUBJECT = "clock"
SLACK = timedelta(seconds=30)
"""Less than this is no more than a slow answer."""


def clock_check(theirs: Mapping[str, datetime | None], now: datetime, *, serves: bool) -> Check:
    """How far this machine's clock (`now`, aware) is from each server's, where that tells its own.

    No run fails for it. With actions of the webhook (`serves`), a service on this machine would refuse Port's calls.
    """
    apart = {short(name): now - clock for name, clock in theirs.items() if clock is not None}
    far = {name: by for name, by in apart.items() if abs(by) > SLACK}
    if not apart:
        return Check(subject=SUBJECT, name="clock", grade="skip", said="No server told its time.")
    if not far:
        said = f"Within {SLACK.total_seconds():.0f} s of {' and '.join(sorted(apart))}."
        return Check(subject=SUBJECT, name="clock", grade="pass", said=said)
    told = "; ".join(
        f"{abs(by).total_seconds():,.0f} s {'ahead of' if by > timedelta(0) else 'behind'} {name}"
        for name, by in sorted(far.items())
    )
    refuses = serves and max(map(abs, far.values())) > timedelta(seconds=TOLERANCE_SECONDS)
    return Check(
        subject=SUBJECT,
        name="clock",
        grade="fail" if refuses else "warn",
        said=f"This machine's clock is {told}.",
        remedy="Set the clocks by NTP." + (" `serve` on this machine refuses Port's calls." if refuses else ""),
        effect="buttons",
    )
