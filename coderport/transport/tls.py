"""Whose certificates are trusted by every connection that leaves the process."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import certifi
import truststore

from coderport.errors import SettingsError

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"

_UNSET = "Correct or unset the variable: without it the system's own certificates count."
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def tls_context() -> ssl.SSLContext:
    """The context for clients, made once for what the environment says: reading the roots takes 20 ms.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` say whom to trust, as they do to OpenSSL and to Go; without them it is the
    system's store and, for systems that have none, certifi's. SettingsError where a variable names nothing of use.
    """
    return _context(os.environ.get(FILE, ""), os.environ.get(FOLDER, ""))


def advice(reason: str, environment: Mapping[str, str]) -> str:
    """What to do about a certificate that is not trusted, where `reason` tells of one; else empty."""
    if "CERTIFICATE_VERIFY_FAILED" not in reason:
        return ""
    named = " and ".join(name for name in (FILE, FOLDER) if environment.get(name))
    if named:
        return f" Only what {named} names is trusted: is the CA in there that signed the server's certificate?"
    return f" If a company's own CA signed it: put that into the system's store, or name its file in {FILE}."


@lru_cache(maxsize=1)
def _context(file: str, folders: str) -> ssl.SSLContext:
    if not file and not folders:
        system = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        system.load_verify_locations(certifi.where())
        return system
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file:
        try:
            context.load_verify_locations(cafile=file)
        except ssl.SSLError:
            raise SettingsError(f"{FILE} names {file}, which holds no certificates in PEM form. {_UNSET}") from None
        except OSError as error:
            raise SettingsError(f"{FILE} names {file}, which cannot be read: {error.strerror}. {_UNSET}") from None
    for folder in filter(None, folders.split(os.pathsep)):
        _check_folder(folder)
        context.load_verify_locations(capath=folder)
    return context


def _check_folder(folder: str) -> None:
    """OpenSSL finds a certificate in a folder by the hash in its file's name, and says nothing of other files."""
    try:
        names = [each.name for each in Path(folder).iterdir()]
    except OSError as error:
        raise SettingsError(f"{FOLDER} names {folder}, which cannot be read: {error.strerror}. {_UNSET}") from None
    if not any(_HASHED.fullmatch(name) for name in names):
        raise SettingsError(
            f"{FOLDER} names {folder}, in which no certificate has the name that OpenSSL looks for. "
            f"`openssl rehash {folder}` makes these names. {_UNSET}"
        )
