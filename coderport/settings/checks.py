"""What a single value has to be: the checks that the fields of the settings are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from coderport.catalog.actions.extras import EXTRAS
from coderport.catalog.identifiers import BUILT_IN_ROLES
from coderport.coder.mail import folded
from coderport.terminal.wording import LIST, OBJECT
from coderport.transport.address import http_address
from coderport.transport.headers import require_sendable

_DURATION = re.compile(r"(?P<number>[0-9]+)(?P<unit>[smhd])")
_LONGEST = timedelta(days=3650)
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", re.ASCII)
_WORKFLOW = re.compile(r"[\w][\w .-]*\.ya?ml|[0-9]+", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_STORES = frozenset(
    {"abfs", "abfss", "adl", "az", "box", "dbfs", "dropbox", "file", "ftp", "gcs", "gdrive", "gs", "hdfs", "local"}
    | {"oci", "oss", "s3", "s3a", "sftp", "smb", "ssh", "tos", "webdav", "webhdfs"}
)
"""Of what fsspec opens that which keeps what is written: not memory, a web page, or a cache of something else."""

Name = TypeVar("Name", bound=str)


def duration(value: object) -> object:
    """A time: a whole number with one of the units s, m, h, d. ValueError otherwise."""
    if isinstance(value, (bool, int, float)):
        value = json.dumps(value)  # in an object: without a unit a number is no time
    if isinstance(value, str):
        if value.strip() == "0":
            return timedelta(0)
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("must be a whole number with a unit: 30m, 24h, 2d, or 0 for always")
        if len(match["number"]) > 9 or int(match["number"]) * _UNITS[match["unit"]] > _LONGEST.total_seconds():
            raise ValueError(f"must be {_LONGEST.days}d or less")
        return timedelta(seconds=int(match["number"]) * _UNITS[match["unit"]])
    return value


def _json(what: str) -> Callable[[object], object]:
    """Pulumi hands lists and objects to a program as JSON text; `what` is said where the text is none."""

    def parsed(value: object) -> object:
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise ValueError(what) from None
        return value

    return parsed


json_object, json_list = _json(OBJECT), _json(LIST)


def kinds_named(value: object) -> object:
    """`all`, a list, or names with commas between; nothing, or `default`, is the default."""
    if isinstance(value, str):
        text = value.strip()
        value = json_list(text) if text.startswith("[") else [each for each in text.split(",") if each.strip()]
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        names = tuple(sorted({each.strip().lower() for each in value}))
        return names[0] if names in (("all",), ("default",)) else names or "default"
    return value


def extras_named(value: object) -> object:
    """`all`, or a list."""
    return EXTRAS if value == "all" else json_list(value)


def each_once(parts: tuple[Name, ...]) -> tuple[Name, ...]:
    """The names sorted, without repeats."""
    return tuple(sorted(set(parts)))


def glob(value: str) -> str:
    """A pattern for names, as `fnmatch` has them; none that is empty."""
    if not value.strip():
        raise ValueError("an empty pattern matches nothing")
    return value.strip()


def repository_name(value: str) -> str:
    """A repository of GitHub with its organization."""
    if not _REPOSITORY.fullmatch(value.strip()):
        raise ValueError("must be organization/repository")
    return value.strip()


def role_name(value: str) -> str:
    """A role of Port's; those that every organization has are written as Port writes them."""
    role = value.strip()
    if not role:
        raise ValueError("an empty name is no role's")
    meant = next((each for each in BUILT_IN_ROLES if each.lower() == role.lower()), role)
    if meant != role:
        raise ValueError(f"must be written {meant}, as Port writes it")
    return role


def email_address(value: str) -> str:
    """An e-mail address, as far as its form goes."""
    name, _, host = value.strip().partition("@")
    if not name or not host or "@" in host or any(each.isspace() for each in value.strip()):
        raise ValueError("must be an e-mail address")
    if folded(value) is None:
        raise ValueError("must have ASCII letters only: an e-mail address with others is never taken for anybody's")
    return value.strip()


def webhook_address(value: str) -> str:
    """The URL where `serve` takes runs."""
    address = http_address(value)
    if not urlsplit(address).path.rstrip("/").endswith("/runs"):
        raise ValueError("must end with /runs, where the service takes runs")
    return address


def header_safe(value: SecretStr) -> SecretStr:
    """A secret that a header can carry."""
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text.strip():
        raise ValueError("holds characters that no token has (a line break or a quote pasted along?)")
    return SecretStr(text.strip())


def single_text(value: str) -> str:
    """The text; a list or an object comes from Pulumi as JSON, and is none."""
    try:
        parsed = json.loads(value) if value.lstrip()[:1] in ("[", "{") else None
    except ValueError:
        return value
    if parsed is not None:
        raise ValueError("must be a text")
    return value


def history_place(value: str) -> str:
    """A folder, or a URL of a kind that fsspec opens, with a name in it."""
    value = single_text(value).strip()
    if not value:
        raise ValueError("must not be empty")
    if not value.isprintable():
        raise ValueError("holds characters that no path has")
    scheme, is_url, rest = value.partition("://")
    if is_url:
        if scheme not in _STORES:
            raise ValueError("must be a folder, or a URL such as s3://BUCKET/FOLDER (s3, gs and abfs have one)")
        if not rest.strip("/"):
            raise ValueError(f"must name a bucket or folder: {scheme}://BUCKET/FOLDER")
    return value


def number(value: object) -> object:
    """What is given for a whole number: true and false are none, though Python counts with them."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def client_id(value: str) -> str:
    """Port's client id: one word."""
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value.split()) > 1 or not value.strip().isprintable():
        raise ValueError("holds characters that no client id has (a blank or a line break pasted along?)")
    return value.strip()


def not_blank(value: str) -> str:
    """A text that says something."""
    if not single_text(value).strip():
        raise ValueError("must not be empty")
    return value.strip()


def workflow_file(value: str) -> str:
    """A workflow as GitHub knows it within a repository: the name of its file, or its number."""
    if not value.strip():
        raise ValueError("must not be empty")
    if not _WORKFLOW.fullmatch(value.strip()):
        raise ValueError("must be the name of a workflow's file, such as coder-action.yml, without folder or address")
    return value.strip()


def user_name(value: str) -> str:
    """A name of one of Coder's users (source: `UsernameValidRegex` in coder's codersdk/name.go); never `me`."""
    if not value.strip():
        raise ValueError("an empty name is nobody's")
    if not _USER.fullmatch(value.strip()):
        raise ValueError("must be the name of a user of Coder: letters and digits, with single hyphens between them")
    if value.strip().lower() == "me":
        raise ValueError('names a user of Coder; "me" would be the user of the runner\'s token')
    return value.strip()


Token = Annotated[SecretStr, AfterValidator(header_safe)]
Headers = Annotated[Mapping[str, SecretStr], AfterValidator(require_sendable), BeforeValidator(json_object)]
Addresses = Annotated[tuple[Annotated[str, AfterValidator(email_address)], ...], BeforeValidator(json_list)]
Roles = Annotated[
    tuple[Annotated[str, AfterValidator(role_name)], ...], Field(min_length=1), BeforeValidator(json_list)
]
Globs = Annotated[tuple[Annotated[str, AfterValidator(glob)], ...], BeforeValidator(json_list)]
