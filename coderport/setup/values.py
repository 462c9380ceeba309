"""The four values: where they are found on this machine, before anybody is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coderport.port.errors import EU_URL, US_URL


@dataclass(frozen=True)
class Wanted:
    """One value: its key in the config, how it is asked for, and the variables that may hold it, the first first.

    `for_pulumi` is how `pulumi new` asks for it, where that differs: the answer goes into the config as it is.
    """

    key: str
    question: str
    variables: tuple[str, ...]
    secret: bool = False
    flag: str = ""
    for_pulumi: str = ""
    default: str = ""


CODER_URL = Wanted("coderApiBaseUrl", "Coder's address", ("CODER_API_BASE_URL", "CODER_URL"), flag="--coder-url")
CODER_TOKEN = Wanted("coderSessionToken", "A Coder token", ("CODER_SESSION_TOKEN",), True, "--coder-token")
PORT_ID = Wanted(
    "portClientId", "Port's client id (in Port: … > Credentials)", ("PORT_CLIENT_ID",), flag="--port-client-id"
)
PORT_SECRET = Wanted("portClientSecret", "Port's client secret", ("PORT_CLIENT_SECRET",), True, "--port-client-secret")
PORT_URL = Wanted(
    "portBaseUrl",
    "Port's region (eu, us, or an address)",
    ("PORT_BASE_URL",),
    flag="--port-url",
    for_pulumi=f"Port's address (US region: {US_URL})",
    default=EU_URL,
)
ALL = (CODER_URL, CODER_TOKEN, PORT_ID, PORT_SECRET, PORT_URL)


@dataclass(frozen=True)
class Found:
    """A value, and where it was found, in words."""

    value: str
    where: str


def found_values(environ: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, Found]:
    """By key what the command line, the environment and the login of Coder's command line say, in that order.

    A login counts only where the address is that of the login: its token must go to no other deployment.
    """
    found: dict[str, Found] = {}
    for wanted in ALL:
        if value := given.get(wanted.key):
            found[wanted.key] = Found(value.strip(), "the command line")
            continue
        for variable in wanted.variables:
            if value := environ.get(variable, "").strip():
                found[wanted.key] = Found(value, variable)
                break
    url, token = coder_login(environ)
    where = "the login of Coder's command line"
    if url and CODER_URL.key not in found and CODER_TOKEN.key not in found:
        found[CODER_URL.key] = Found(url, where)
    same = CODER_URL.key in found and _root(found[CODER_URL.key].value) == _root(url)
    if token and same and CODER_TOKEN.key not in found:
        found[CODER_TOKEN.key] = Found(token, where)
    return found


def coder_login(environ: Mapping[str, str]) -> tuple[str, str]:
    """Address and token of the login, empty where there is none.

    `coder login` keeps them in the files `url` and `session` of its folder of settings (cli/config in coder/coder).
    """
    folder = _coder_folder(environ)
    texts = []
    for name in ("url", "session"):
        try:
            texts.append((folder / name).read_text(encoding="utf-8", errors="replace").strip())
        except OSError:
            texts.append("")
    return texts[0], texts[1]


def _coder_folder(environ: Mapping[str, str]) -> Path:
    if named := environ.get("CODER_CONFIG_DIR"):
        return Path(named).expanduser()
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "coderv2"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "coderv2"


def _root(url: str) -> str:
    return url.strip().rstrip("/").removesuffix("/api/v2").rstrip("/").lower()


def region_url(said: str) -> str:
    """The address of a region of Port that is named in short; any other text as it is."""
    return {"": EU_URL, "eu": EU_URL, "us": US_URL}.get(said.strip().lower(), said.strip())
