"""The config in a stack's file, and what the Pulumi CLI does to it, as far as printed remedies ask for that.

test_remedies_pasted holds it to the CLI itself.
"""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from typing import Any

from coderport.terminal.placeholder import placeholder_in
from coderport.terminal.remedy import CLI

NAMESPACE = "coderport:"
ASKED = "what-a-person-types"
_PART = re.compile(r'\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


class CliRefusal(Exception):
    """What the CLI says where it does nothing."""


def commands_in(text: str) -> list[str]:
    """The calls of Pulumi that a message prints, in its order."""
    return [line.strip() for line in text.splitlines() if line.strip().startswith(CLI)]


class StackFile:
    """`config` is by key without our namespace, as YAML has it; `secrets` are the keys that hold a secret."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config: dict[str, Any] = json.loads(json.dumps(config))
        self.secrets: set[str] = set()

    def given(self) -> dict[str, Any]:
        """The values as Pulumi hands them to a program."""
        return {key: each if isinstance(each, str) else json.dumps(each) for key, each in self.config.items()}

    def pasted(self, command: str) -> None:
        """Does what the command does. CliRefusal where it does nothing."""
        words = shlex.split(command.removeprefix(CLI))
        if any(map(placeholder_in, words)):
            raise CliRefusal("a placeholder")
        verb, options = words[1], set()
        rest: list[str] = []
        words = words[2:]
        while words:
            word = words.pop(0)
            if word in ("--stack", "--type"):
                options.add(f"{word} {words.pop(0)}")
            elif word == "--":
                rest, words = [*rest, *words], []
            elif word.startswith("--"):
                options.add(word)
            else:
                rest.append(word)
        key = rest[0].removeprefix(NAMESPACE)
        way: list[int | str] = [key]
        if "--path" in options:
            way = [
                int(number) if number else name or json.loads(f'"{quoted}"')
                for name, number, quoted in _PART.findall(key)
            ]
        if verb == "rm":
            self._removed(way)
            return
        value: Any = ASKED if "--secret" in options else rest[1]
        if "--secret" in options:
            self.secrets.add(str(way[0]))
        if len(way) > 1 and "--type string" not in options and re.fullmatch(r"true|false|-?\d+", value):
            value = json.loads(value)
        self._set(way, value)

    def _removed(self, way: list[int | str]) -> None:
        at: Any = self.config
        for part in way[:-1]:
            if not isinstance(at, (dict, list)):
                return
            at = at.get(part) if isinstance(at, dict) else at[part] if isinstance(part, int) else None
        if isinstance(at, dict):
            at.pop(way[-1], None)
        elif isinstance(at, list):
            del at[int(way[-1])]

    def _set(self, way: list[int | str], value: Any) -> None:
        if len(way) > 1 and not isinstance(self.config.get(str(way[0])), (dict, list)):
            self.config.pop(str(way[0]), None)  # a single value gives way at the top, and nowhere else
        at: Any = self.config
        for part, following in pairwise(way):
            self._insist(at, part)
            if isinstance(at, dict) and part not in at:
                at[part] = [] if isinstance(following, int) else {}
            at = at[part]
        self._insist(at, way[-1])
        if isinstance(at, list) and way[-1] == len(at):
            at.append(value)
        else:
            at[way[-1]] = value

    @staticmethod
    def _insist(at: Any, part: int | str) -> None:
        if isinstance(at, list) and not (isinstance(part, int) and part <= len(at)):
            raise CliRefusal("key for an array must be an int")
        if not isinstance(at, (dict, list)) or (isinstance(at, dict) and isinstance(part, int)):
            raise CliRefusal("expected an array, or an object")
