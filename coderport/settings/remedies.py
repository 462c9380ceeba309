"""What corrects a wrong setting, as calls of `pulumi config`: they work as they stand.

The right value is in them where it can be derived: the nearest known word, the single value that was meant for a list,
the default. Where a person has to choose there is a placeholder, which nothing takes (see `terminal.placeholder`).
"""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from coderport.catalog.identifiers import BUILT_IN_ROLES
from coderport.port.errors import EU_URL, US_URL
from coderport.settings.names import ENVIRONMENT, SECRETS
from coderport.settings.problem import Place, Problem, path_of
from coderport.settings.values import OBJECTS, Settings
from coderport.terminal.placeholder import placeholder_in
from coderport.terminal.remedy import CLI, LIKE_NO_TEXT, set_text, valued
from coderport.terminal.wording import LIST, OBJECT, nearest, span_text, value_shown
from coderport.transport.address import is_in_clear
from coderport.transport.headers import require_sendable

UNKNOWN: Final = "is not a setting"
"""How the reason begins for a key that there is not."""

_CHOSEN: Final[Mapping[str, str]] = {
    "coderApiBaseUrl": "CHOOSE-URL",
    "coderHeaders": "CHOOSE-HEADER",
    "coderOrganizationId": "CHOOSE-ORGANIZATION",
    "organizations": "CHOOSE-ORGANIZATION",
    "portClientId": "CHOOSE-CLIENT-ID",
    "templates": "CHOOSE-TEMPLATE",
    "excludeTemplates": "CHOOSE-TEMPLATE",
    "kinds": "CHOOSE-KIND",
    "answers": "CHOOSE-ANSWER",
    "history": "CHOOSE-FOLDER",
    "actions.backend": "CHOOSE-BACKEND",
    "actions.repository": "CHOOSE-ORGANIZATION/REPOSITORY",
    "actions.url": "https://CHOOSE-HOST/runs",
    "actions.templates": "CHOOSE-TEMPLATE",
    "actions.admins": "CHOOSE-EMAIL",
    "actions.roles": "CHOOSE-ROLE",
    "actions.fallbackUser": "CHOOSE-USER",
    "actions.extra": "CHOOSE-GROUP",
}
"""What stands for the value where a person has to choose it, by key without list items."""

_SECRET: Final[Mapping[str, str]] = {
    "coderSessionToken": "CHOOSE-TOKEN",
    "coderHeaders": '{"CHOOSE-HEADER": "CHOOSE-VALUE"}',
    "portClientSecret": "CHOOSE-CLIENT-SECRET",
}
"""What stands for secrets in the environment; the stack's own command asks for the value."""

_NO_DEFAULT: Final = frozenset({"actions.backend", "history"})
"""Keys whose default would take something away that is wanted: the actions, the bucket."""

_NAMED_BY_WORDS: Final = frozenset({"kinds"})
"""Keys of lists of names that no number is one of."""

_PLAIN: Final = re.compile(r"[^\s\[\]{}\"',]+")
_OF_GITHUB: Final = re.compile(r"(?:github\.com[/:])([\w.-]+/[\w.-]+?)(?:\.git)?/?", re.ASCII)


@dataclass(frozen=True)
class Step:
    """One value that is set, or removed where there is none. With `asked` Pulumi asks for it: it is a secret."""

    place: Place
    value: str | None = None
    asked: bool = False


def placeholder_of(key: str, value: object = None) -> str:
    """What stands for the value of the key, written without list items, where a person has to choose it."""
    if key == "history" and isinstance(value, str) and (scheme := re.match(r"(s3|gs|abfs)://$", value)):
        return f"{scheme[0]}CHOOSE-BUCKET"
    return _CHOSEN.get(key, "CHOOSE-VALUE")


def steps_of(problem: Problem) -> tuple[Step, ...]:
    """What has to be done in the config, in this order."""
    place, reason = problem.place, problem.reason
    if problem.meant is not None:
        return (Step(place, problem.meant),)
    if reason.startswith(UNKNOWN):
        return (Step(place),)
    if problem.top in SECRETS:
        return _of_secret(problem)
    if reason.startswith(OBJECT):  # an object as JSON text is one for us, and none for Pulumi
        inner = _parsed(problem.value) if isinstance(problem.value, str) else None
        return (Step(place), *(_leaves(inner, place) if isinstance(inner, Mapping) else ()))
    if reason.startswith(LIST):
        return _as_list(problem)
    value = _derived(problem) or _default(problem)
    if value is None and not _is_needed(problem):
        return (Step(place),)
    if value is None and _is_list(place):
        place = (*place, 0)
    return (Step(place, value or placeholder_of(key_of(place), problem.value)),)


def commands(steps: Iterable[Step], stack: str, namespaces: Mapping[str, str]) -> list[str]:
    """The steps as command lines. The value of a secret is asked for, so that it stands in no shell's history."""
    return [_command(each, stack, namespaces) for each in steps]


def exported(key: str, value: str | None = None) -> str:
    """The command that sets the setting in the environment; a word that stands for the value where nobody knows it."""
    return f"export {ENVIRONMENT[key]}={shlex.quote(value or _SECRET.get(key) or placeholder_of(key))}"


def carried_out(steps: Iterable[Step], value: Any) -> Any:
    """The value of one setting after the steps, as JSON has it; the value itself is left as it is."""
    root: dict[str, Any] = {"": copy.deepcopy(value)}
    for step in steps:
        at: Any = root
        way = ("", *step.place[1:])
        for part, following in pairwise(way):
            if isinstance(at, dict) and not isinstance(at.get(str(part)), (dict, list)):
                at[str(part)] = [] if isinstance(following, int) else {}
            at = at[part]
        last = way[-1]
        if step.value is None:
            with suppress(KeyError, IndexError):
                del at[last]
        elif isinstance(at, list) and last == len(at):
            at.append(_typed(step))
        else:
            at[last] = _typed(step)
    return root.get("")


def _typed(step: Step) -> Any:
    """As Pulumi takes a value that it sets by its path."""
    assert step.value is not None
    if _is_text(step):
        return step.value
    return json.loads(step.value) if LIKE_NO_TEXT.fullmatch(step.value) else step.value


def _command(step: Step, stack: str, namespaces: Mapping[str, str]) -> str:
    words = ["--path"] * (len(step.place) > 1)
    path = path_of(step.place, namespaces)
    key = shlex.quote(path)
    if step.value is None and not step.asked:
        return " ".join((CLI, "config rm --stack", stack, *words, key))
    if step.asked:
        return " ".join((CLI, "config set --stack", stack, "--secret", *words, key))
    assert step.value is not None
    if words and _is_text(step):
        return set_text(stack, path, step.value)
    return " ".join((CLI, "config set --stack", stack, *words, key, *valued(step.value)))


def _is_text(step: Step) -> bool:
    """Whether the setting takes a text, also where the value looks like a number."""
    info = _field(step.place)
    return info is None or not {bool, int} & set(_types(info.annotation))


def _of_secret(problem: Problem) -> tuple[Step, ...]:
    if problem.top != "coderHeaders":
        return (Step(problem.place, asked=True),)
    if len(problem.place) > 1:
        return (Step(problem.place, asked=True),)
    headers = _parsed(problem.value)
    if not isinstance(headers, Mapping):
        return (Step(problem.place), Step((*problem.place, placeholder_of("coderHeaders")), asked=True))
    steps: list[Step] = []
    seen: set[str] = set()
    for name, value in headers.items():
        if not _sendable({name: "x"}) or name.lower() in seen:
            steps.append(Step((*problem.place, name)))
        elif not isinstance(value, str) or not _sendable({name: value}) or problem.reason.startswith("is in clear"):
            steps.append(Step((*problem.place, name), asked=True))
        seen.add(name.lower())
    return tuple(steps)


def _leaves(value: Any, place: Place) -> Iterable[Step]:
    """All of a value of JSON, each single value at its place."""
    if isinstance(value, Mapping):
        return [step for key, inner in value.items() for step in _leaves(inner, (*place, str(key)))]
    if isinstance(value, list):
        return [step for number, inner in enumerate(value) for step in _leaves(inner, (*place, number))]
    return [Step(place, _scalar(value) or placeholder_of(key_of(place)))] if value is not None else []


def _sendable(headers: Mapping[str, str]) -> bool:
    try:
        require_sendable({name: SecretStr(value) for name, value in headers.items()})
    except ValueError:
        return False
    return True


def _as_list(problem: Problem) -> tuple[Step, ...]:
    """The value that stands where a list has to, as one.

    Where it has to be chosen it is set whole: nothing is taken out before somebody chose, because without a list there
    may be no limit. What was chosen is then made a list.
    """
    place, key = problem.place, key_of(problem.place)
    info = _field(place)
    text = _scalar(problem.value)
    if info is not None and (word := nearest(text, _words(info.annotation)) if text else "") and _fits(info, word):
        return (Step(place, word),)
    listed = _parsed(problem.value) if isinstance(problem.value, str) else None
    if isinstance(listed, list) and listed and info is not None and _fits(info, listed):
        return (Step(place), *_leaves(listed, place))
    items = [each.strip() for each in text.split(",") if each.strip()] if text else []
    if not items or not all(map(_PLAIN.fullmatch, items)) or (info is not None and not _fits(info, items)):
        if info is not None and isinstance(info.default, str):
            return (Step(place, info.default),)
        return (Step(place, placeholder_of(key)),)
    return (Step(place), *(Step((*place, number), each) for number, each in enumerate(items)))


def _derived(problem: Problem) -> str | None:
    """The value that was meant, where what stands there says so."""
    info, text = _field(problem.place), _scalar(problem.value)
    if info is None or not text:
        return None
    is_item = isinstance(problem.place[-1], int)
    words = _words(info.annotation)
    if not words and bool in _types(info.annotation):
        words = ["true", "false"]
    candidates = [*_MEANT.get(key_of(problem.place), _nothing)(text), *_meant(text, _types(info.annotation))]
    candidates += [word for word in [nearest(text, words)] if word]
    names_no_number = key_of(problem.place) in _NAMED_BY_WORDS
    candidates += [text] if problem.reason.startswith("must be a text") and not names_no_number else []
    found = (each for each in candidates if _fits(info, [each] if is_item else each))
    return text if placeholder_in(text) else next(found, None)


def _default(problem: Problem) -> str | None:
    info = _field(problem.place)
    if info is None or isinstance(problem.place[-1], int) or key_of(problem.place) in _NO_DEFAULT:
        return None
    if isinstance(info.default, timedelta):
        hours = info.default / timedelta(hours=1)
        return f"{hours:.0f}h" if hours == 24 else span_text(info.default)  # as the docs have it
    if isinstance(info.default, bool):
        return str(info.default).lower()
    return str(info.default) if isinstance(info.default, (int, str)) else None


def _is_needed(problem: Problem) -> bool:
    """Whether there has to be a value: not where the setting may as well be left out, and nothing stands for it."""
    info, key = _field(problem.place), key_of(problem.place)
    return info is None or info.is_required() or key in _CHOSEN


def _is_list(place: Place) -> bool:
    """Whether a list stands there, which is set item by item."""
    info = _field(place)
    return info is not None and isinstance(place[-1], str) and any(map(_is_tuple, _types(info.annotation)))


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def key_of(place: Place) -> str:
    """The place without the numbers of list items."""
    return ".".join(each for each in place if isinstance(each, str))


def _field(place: Place) -> FieldInfo | None:
    """What the settings say of the value, or of the list that it is an item of."""
    names = [each for each in place if isinstance(each, str)]
    model: type[BaseModel] = Settings
    if len(names) == 2:
        model = OBJECTS.get(names[0], BaseModel)
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    return fields.get(names[-1]) if len(names) <= 2 else None


def _fits(info: FieldInfo, value: object) -> bool:
    kind: Any = info.annotation
    for check in info.metadata:
        kind = Annotated[kind, check]
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def _types(annotation: Any) -> list[Any]:
    """The types that a value may have, without those of what is in it."""
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [found for each in get_args(annotation) for found in _types(each)]
    return [annotation]


def _words(annotation: Any) -> list[str]:
    """The words that a value, or an item of it, has to be one of."""
    if get_origin(annotation) is Literal:
        return [each for each in get_args(annotation) if isinstance(each, str)]
    return [found for each in get_args(annotation) for found in _words(each)]


def _scalar(value: object) -> str:
    """A single value as text; empty for what is none, and for what may be a secret."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (int, str)):
        return ""
    return str(value).strip() if value_shown(value) else ""


def _parsed(value: object) -> object:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value


def _nothing(text: str) -> Sequence[str]:
    return ()


def _meant(text: str, types: Sequence[Any]) -> Iterable[str]:
    """What a word of another language of configuration means, a number among blanks, and the single item of a list."""
    if bool in types:
        yield from (word for word, others in _WORDS_FOR.items() if text.lower() in others)
    if int in types and text.isascii() and text.isdecimal():
        yield text
    listed = _parsed(text)
    if str in types and isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str):
        yield listed[0]


_WORDS_FOR: Final[Mapping[str, frozenset[str]]] = {
    "true": frozenset({"yes", "y", "on", "1"}),
    "false": frozenset({"no", "n", "off", "0"}),
}


def _addresses(text: str) -> Sequence[str]:
    if text.startswith("http://"):
        return [f"https://{text.removeprefix('http://')}"]
    bare = re.sub(r"^https?:?/+", "", text)
    return [f"https://{bare}"] if "://" not in text and "." in bare else ()


def _hooks(text: str) -> Sequence[str]:
    found = [*_addresses(text), text] if is_in_clear(text) else [text, *_addresses(text)]
    return [
        address
        for each in found
        for address in (each, f"{each.rstrip('/')}/runs")
        if address != text and (address == each or not urlsplit(each).path.strip("/"))
    ]


def _repositories(text: str) -> Sequence[str]:
    return [found[1]] if (found := re.search(f"{_OF_GITHUB.pattern}$", text, re.ASCII)) else ()


_MEANT: Final[Mapping[str, Callable[[str], Sequence[str]]]] = {
    "coderApiBaseUrl": _addresses,
    "portBaseUrl": lambda text: [each for each in [*_addresses(text), nearest(text, (EU_URL, US_URL))] if each],
    "actions.url": _hooks,
    "actions.repository": _repositories,
    "actions.workflow": lambda text: [text.rstrip("/").rpartition("/")[2]],
    "actions.roles": lambda text: [each for each in BUILT_IN_ROLES if each.lower() == text.lower()],
}
"""By key what may have been meant by a text that is wrong."""
