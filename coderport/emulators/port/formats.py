"""Formats as common JSON validators hold values to them (`Behaviour.strict_formats`).

Port's refusals read like those of Ajv, whose usual formats take a `url` only with a public host: no single word, no
loopback or private address. Whether Port uses them is not established, so this is a switch.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

Check = Callable[[Any], str | None]

_LABEL = r"[a-z0-9\u00a1-\uffff](?:[a-z0-9\u00a1-\uffff-]*[a-z0-9\u00a1-\uffff])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+[a-z\u00a1-\uffff]{{2,}}\Z", re.IGNORECASE)
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_MAIL_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_MAIL_HOST: Final = re.compile(rf"(?:{_MAIL_LABEL}\.)+{_MAIL_LABEL}\Z")
_DATE_TIME: Final = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"([Zz]|[+-][01]\d:?[0-5]\d)\Z"
)


def strict_format(name: Any, items: Any) -> Check | None:
    """The check of a property of that format, or with items of one; None where there is nothing more to check."""
    if name == "labeled-url":
        return lambda value: _wrong("url", value.get("url"))
    if name in _CHECKS:
        return lambda value: _wrong(name, value)
    each = items.get("format") if isinstance(items, Mapping) else None
    if not isinstance(each, str) or each not in _CHECKS:
        return None
    return lambda value: next((wrong for item in value if (wrong := _wrong(each, item)) is not None), None)


def _wrong(name: str, value: Any) -> str | None:
    return None if isinstance(value, str) and _CHECKS[name](value) else f'must match format "{name}"'


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https", "ftp") or re.search(r"\s", value):
        return False
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return _HOST.match(host) is not None
    return address.is_global


def _is_email(value: str) -> bool:
    local, _, host = value.rpartition("@")
    return _LOCAL_PART.match(local) is not None and _MAIL_HOST.match(host) is not None


_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "url": _is_url,
    "email": _is_email,
    "user": _is_email,
    "date-time": lambda value: _DATE_TIME.match(value) is not None,
    "timer": lambda value: _DATE_TIME.match(value) is not None,
}
