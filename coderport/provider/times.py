"""Times as the stock provider writes them into the state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from coderport.catalog.meaning import instant


def go_time(text: str | None) -> str:
    """Port's ISO time in the form that Go prints, `2026-01-01 00:00:00.5 +0000 UTC`; empty for none."""
    moment = instant(text)
    if moment is None:
        return text or ""
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def now() -> str:
    """The time as Port writes one: ISO, milliseconds, `Z`."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamps(
    created_at: str | None, created_by: str | None, updated_at: str | None, updated_by: str | None
) -> dict[str, Any]:
    """The four computed outputs of every resource."""
    return {
        "createdAt": go_time(created_at),
        "createdBy": created_by or "",
        "updatedAt": go_time(updated_at),
        "updatedBy": updated_by or "",
    }


def stamps_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The four computed outputs out of Port's JSON."""
    return stamps(row.get("createdAt"), row.get("createdBy"), row.get("updatedAt"), row.get("updatedBy"))
