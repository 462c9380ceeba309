"""How a declared action stands to one that Port holds.

Port replaces an action as a whole, so what the live one has beyond ours is a difference too: it would be gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from coderport.catalog.actions.forms import cut
from coderport.catalog.actions.values import Action, GithubWorkflow, Permissions, permissions_to_port, to_port
from coderport.catalog.agreement import Difference
from coderport.catalog.meaning import same_value

_STAMPS = frozenset({"id", "createdAt", "createdBy", "updatedAt", "updatedBy"})
_DEFAULTS: Mapping[str, Any] = {"requiredApproval": False, "publish": True, "allowAnyoneToViewRuns": True}
_TRIGGER_DEFAULTS: Mapping[str, Any] = {"type": "self-service"}
_METHOD_DEFAULTS: Mapping[str, Any] = {"agent": False, "synchronized": False, "method": "POST"}
_DISPATCH = "integrationActionExecutionProperties"
_INPUT_DEFAULTS: Mapping[str, Any] = {"visible": True, "disabled": False}
_SHOWN = 80

# Keywords of a method whose values may be shown: a URL, a header or a body of somebody else's may hold a secret.
_PLAIN = frozenset(
    {"type", "org", "repo", "workflow", "agent", "synchronized", "method", "reportWorkflowStatus"}
    | {"installationId", "integrationActionType"}
)


def differences(action: Action, live: Mapping[str, Any]) -> list[Difference]:
    """Where `action` and Port's JSON `live` do not mean the same; nothing of it is beyond an update.

    Absent, null and empty are the same, as are Port's defaults where a keyword is absent, and the order counts only
    in the form. Nothing where the live one may be taken over silently.
    """
    return list(_differences(action.identifier, to_port(action), live))


def migrated(action: Action, live: Mapping[str, Any]) -> Mapping[str, Any]:
    """The live action as an update from an older version would leave it: the same action in what makes it ours.

    Its runs become private, and Port's former GitHub app (`type: GITHUB`, which Port no longer serves) gives way to the
    GitHub integration: it is told from others' by the workflow that it dispatches, not by how.
    """
    live = {**live, "allowAnyoneToViewRuns": False}
    method = _mapping(live.get("invocationMethod"))
    if not isinstance(action.invocation, GithubWorkflow) or method.get("type") != "GITHUB":
        return live
    ours = action.invocation.to_port()
    return {**live, "invocationMethod": {**ours, _DISPATCH: _rest(method, ("type",))}}


def same_action(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two actions in Port's JSON mean the same, by what `differences` goes by."""
    return next(_differences("", one, other), None) is None


def same_permissions(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two permissions in Port's JSON mean the same, by what `permission_differences` goes by."""
    return not any(
        _another_right(_mapping(one.get(kind)).get(keyword), _mapping(other.get(kind)).get(keyword))
        for kind in ("execute", "approve")
        for keyword in _mapping(one.get(kind)).keys() | _mapping(other.get(kind)).keys()
    )


def _another_right(mine: Any, its: Any) -> bool:
    if isinstance(mine, list) or isinstance(its, list):
        return _unordered(mine) != _unordered(its)
    return not _same(mine or None, its or None)


def permission_differences(action: str, permissions: Permissions, live: Mapping[str, Any]) -> list[Difference]:
    """Where the permissions of the action of that identifier and those that Port holds do not mean the same."""
    found: list[Difference] = []
    for kind, ours in permissions_to_port(permissions).items():
        held = _mapping(live.get(kind))
        for keyword, mine in ours.items():
            its = held.get(keyword)
            if _another_right(mine, its):
                found.append(Difference(f"{action}.permissions.{kind}.{keyword}", _text(its, mine)))
    return found


def _differences(path: str, ours: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[Difference]:
    parts = ("trigger", "invocationMethod")
    yield from _keywords(path, _rest(ours, (*parts, *_STAMPS)), _rest(live, (*parts, *_STAMPS)), _DEFAULTS)
    mine, its = _mapping(ours.get("trigger")), _mapping(live.get("trigger"))
    yield from _keywords(path, _rest(mine, ("userInputs",)), _rest(its, ("userInputs",)), _TRIGGER_DEFAULTS)
    yield from _form(path, _mapping(mine.get("userInputs")), _mapping(its.get("userInputs")))
    method, held = _mapping(ours.get("invocationMethod")), _mapping(live.get("invocationMethod"))
    if method.get("type") != held.get("type"):
        yield Difference(f"{path}.invocationMethod", _text(held.get("type"), method.get("type")))
    else:
        where = f"{path}.invocationMethod"
        yield from _keywords(
            where, _rest(method, (_DISPATCH,)), _rest(held, (_DISPATCH,)), _METHOD_DEFAULTS, plain=_PLAIN
        )
        dispatch, its = _mapping(method.get(_DISPATCH)), _mapping(held.get(_DISPATCH))
        yield from _keywords(where, dispatch, its, {}, plain=_PLAIN)


def _form(path: str, ours: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[Difference]:
    mine, its = _mapping(ours.get("properties")), _mapping(live.get("properties"))
    for key in mine.keys() | its.keys():
        where = f"{path}.inputs.{key}"
        if key not in its:
            yield Difference(where, "missing in Port")
        elif key not in mine:
            yield Difference(where, "an input in Port, none here")
        else:
            yield from _keywords(where, mine[key], _mapping(its[key]), _INPUT_DEFAULTS)
    if _unordered(ours.get("required")) != _unordered(live.get("required")):
        yield Difference(f"{path}.required", _text(live.get("required"), ours.get("required")))
    rest = ("properties", "required")
    yield from _keywords(path, _rest(ours, rest), _rest(live, rest), {})


def _keywords(
    path: str,
    ours: Mapping[str, Any],
    live: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    plain: frozenset[str] | None = None,
) -> Iterator[Difference]:
    """One difference for each keyword that does not mean the same; values only of `plain` ones, where it is given."""
    for keyword in sorted(ours.keys() | live.keys()):
        mine, its = ours.get(keyword, defaults.get(keyword)), live.get(keyword)
        its = defaults.get(keyword) if its is None else its
        if not _same(mine, its):
            shown = plain is None or keyword in plain
            yield Difference(f"{path}.{keyword}", _text(its, mine) if shown else "another one in Port")


def _same(one: Any, other: Any) -> bool:
    return same_value(_pruned(one), _pruned(other))


def _pruned(value: Any) -> Any:
    """Without what is null or empty, at every depth; None where nothing is left. Lists keep their members."""
    if isinstance(value, Mapping):
        kept = {key: _pruned(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not None} or None
    if isinstance(value, (list, tuple)):
        return [_pruned(each) for each in value] or None
    return None if value == "" else value


def _unordered(value: Any) -> object:
    return frozenset(map(str, value)) if isinstance(value, list) else value or frozenset()


def _rest(body: Mapping[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in without}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(its: Any, mine: Any) -> str:
    return f"{_shown(its)} in Port, {_shown(mine)} here"


def _shown(value: Any) -> str:
    return "none" if _pruned(value) is None else cut(repr(value), _SHOWN)
