"""What the Pulumi CLI says where it cannot open a stack, in words that say what a person can do.

The signs are those of CLI 3.250, tried one by one, but for the error about the old layout, which came with 3.257
(https://github.com/pulumi/pulumi/blob/master/CHANGELOG.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from coderport.engine.errors import EngineError
from coderport.engine.versions import PINNED
from coderport.errors import CoderportError, SettingsError
from coderport.terminal.remedy import CLI

_SET_PASSPHRASE = (
    "Set the passphrase as PULUMI_CONFIG_PASSPHRASE, or name a file that holds it in PULUMI_CONFIG_PASSPHRASE_FILE."
)
_NO_LOGIN = (
    "No place for Pulumi's state is chosen, or it is not the address of one. Name a folder or a bucket:\n"
    "  export PULUMI_BACKEND_URL=file://$HOME\n"
    f"or log in to Pulumi Cloud:\n  {CLI} login"
)


@dataclass(frozen=True)
class _Kind:
    """One kind of refusal: what its text has in it, and what to tell (`{stack}` is the stack's name,
    `{file}` its file).

    `midway` says that it is known as well once the engine runs, when a text may be of a server that it writes to.
    """

    sign: re.Pattern[str]
    told: str
    error: type[CoderportError]
    midway: bool


def _kind(sign: str, told: str, error: type[CoderportError] = SettingsError, *, midway: bool = False) -> _Kind:
    return _Kind(re.compile(sign, re.IGNORECASE), told, error, midway)


DIY_ORGANIZATION = "organization"
"""Stands for the organization in whole names of stacks that a folder or bucket keeps."""
NO_ORGANIZATIONS = "this backend is a folder or bucket, whose stacks have no organization"

# The first that fits counts. What a person set wrong ends with 2, what is out of order with 1.
_KINDS = (
    _kind(
        "invalid YAML file|could not unmarshal|yaml: (line|unmarshal)",
        "A file of the project is no YAML: Pulumi.yaml, or {file} of the stack {stack}. Nothing was read. "
        "Correct the line that is named; a text with a colon, a bracket or a quote stands in quotes.",
    ),
    _kind(
        "organization name must be",
        f"{{stack}} is no name of a stack here: {NO_ORGANIZATIONS}. Name the stack alone:\n  {CLI} stack ls",
    ),
    _kind(
        "malformed state value",
        "The line `encryptionsalt` in {file}, the file of the stack {stack}, is damaged: with the passphrase it makes "
        "the key of the secrets. Nothing was read. Take the line from an earlier version of the file. If there is "
        "none, remove the line, and set each secret again.",
    ),
    _kind(
        "stack name may only contain",
        "{stack} is no name of a stack here. A name has letters, digits, hyphens, underscores and dots. Where the "
        "backend keeps its stacks without projects (Pulumi's old layout), it stands alone, without organization and "
        f"project:\n  {CLI} stack ls",
    ),
    _kind("must be set for login", _NO_LOGIN),
    _kind(
        r"invalid access token|\[401\]|401: ",
        "Pulumi Cloud does not accept the access token. Log in again, or set another PULUMI_ACCESS_TOKEN:\n"
        f"  {CLI} login",
    ),
    _kind(
        "passphrase must be set",
        "There is no passphrase for the stack {stack}. It encrypts the secrets of the stacks in a folder or bucket.\n"
        f"{_SET_PASSPHRASE} For a new stack choose one, and keep it.",
    ),
    _kind(
        "incorrect passphrase",
        f"The passphrase is not that of the stack {{stack}}.\n{_SET_PASSPHRASE}",
    ),
    _kind(
        "no space left on device|disk quota exceeded",
        "The disk is full where the state of the stack {stack} is kept, or Pulumi's own folder is. Make room there, "
        "and run again: that run does what is left.",
        EngineError,
        midway=True,
    ),
    _kind(
        "could not decrypt configuration",
        "A value under `secure:` in the file of the stack {stack}, {file}, cannot be decrypted: it is "
        "damaged, or was encrypted for another stack. Nothing was read. Set it again; the value is asked for:\n"
        f"  {CLI} config set --stack {{stack}} --secret coderport:CHOOSE-KEY",
    ),
    _kind(
        "PULUMI_CONFIG_PASSPHRASE_FILE",
        f"The file that PULUMI_CONFIG_PASSPHRASE_FILE names cannot be read.\n{_SET_PASSPHRASE}",
    ),
    _kind(
        "Legacy DIY state|IGNORE_DEPRECATION_ERROR",
        "This backend keeps its stacks in Pulumi's old layout, without projects, which this Pulumi CLI does not read.\n"
        "Keep a copy of the backend, then upgrade it (all of its stacks are moved):\n"
        f"  PULUMI_DIY_BACKEND_IGNORE_DEPRECATION_ERROR=true {CLI} state upgrade --yes",
    ),
    _kind(
        "does not support environments",
        "Only Pulumi Cloud keeps ESC environments. Log in there, or take `environment:` out of the stack's file:\n"
        f"  {CLI} login",
    ),
    _kind(
        "unsupported checkpoint version|needs support for the following features|deployment version is too new"
        "|is not supported by this version of the Pulumi CLI",
        "The state of the stack {stack} was written by a newer Pulumi CLI than the one that is used here. To see which "
        "that is:\n  python -m coderport engine\n"
        f"Install the newer one ({PINNED} or later), and put it first on PATH: https://www.pulumi.com/docs/install/",
        EngineError,
    ),
    _kind("unknown secrets provider", "The secrets provider of the stack {stack} is none that Pulumi has."),
    _kind(
        r"secrets manager|secrets \(code=|open keeper|operation error KMS|/decrypt\?api-version|cloudkms",
        "The secrets provider of the stack {stack} cannot be used from here. Its address is in the stack's file; the "
        "account that runs this needs to reach it and the right to encrypt and decrypt with its key.",
        EngineError,
    ),
    _kind(
        r"requires cgo or \$USER",
        "Pulumi wants a name for whoever runs it, and this machine has none for the number of the user, as happens in "
        "a container. Give it one:\n  export USER=coderport",
    ),
    _kind(
        "saving stack config",
        "The file of the stack {stack}, {file}, cannot be written. Pulumi keeps the salt of the passphrase "
        "there, from the first run on that has one: make that run where the file can be written, and commit the file.",
        EngineError,
    ),
    _kind(
        "permission denied|read-only file system|AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch",
        "Pulumi's state may not be read or written by this account. PULUMI_BACKEND_URL, or the login, says where "
        f"it is kept:\n  {CLI} whoami -v",
        EngineError,
    ),
    _kind(
        r"unable to open bucket|blob \(key|performing HTTP request|could not query for user|credentials"
        "|no such host|connection refused|i/o timeout",
        "Pulumi's state cannot be reached. PULUMI_BACKEND_URL, or the login, says where it is kept: does that "
        f"exist, can this machine reach it, and are there credentials for it?\n  {CLI} whoami -v",
        EngineError,
    ),
)


# What a command was about when it met the same refusal as another.
_ON_THE_WAY = re.compile(
    r"^(getting stack configuration: |get stack secrets manager: |could not create secrets manager for new stack: "
    r"|decrypting secrets: |constructing secrets manager(?: of type \"\w+\")?: )+"
)


def known_refusal(stack: str, said: str, *, midway: bool = False) -> CoderportError | None:
    """The error for what the CLI `said` of the stack, if it is of a known kind; the CLI's own words end it.

    `midway` where the engine had begun: few kinds are known then.
    """
    words, file = last_words(said), f"Pulumi.{stack.rpartition('/')[2]}.yaml"
    for kind in _KINDS:
        if kind.midway >= midway and kind.sign.search(words):
            told = kind.told.format(stack=stack, file=file)
            return kind.error(f"{told}\nThe Pulumi CLI says: {_ON_THE_WAY.sub('', words)}")
    return None


def last_words(said: str) -> str:
    """What the CLI said was wrong, without the warnings before it: its standard error, or else its output."""
    text = said.split("stderr:", 1)[-1].strip() or said.split("stdout:", 1)[-1].strip()
    errors = re.search(r"^error: ", text, re.MULTILINE)
    return (text[errors.end() :] if errors else text).strip() or "the Pulumi CLI failed without a word"
