"""How the blueprints, actions, permissions and answers of a run go back, and which somebody changed since. Values only.

They are held against what the run wrote by the agreement by which a run compares them: an order that means nothing to
Port is no change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from coderport.catalog.actions.agreement import same_action, same_permissions
from coderport.catalog.meaning import same_value
from coderport.history.images import DefinitionImage

Json = Mapping[str, Any]
Held = Mapping[tuple[str, str], Json]
"""What Port holds, by kind and identifier."""

SINCE = "is not as that run left it: somebody changed it since"
NEW_ACTION: Json = {"execute": {"roles": ["Admin", "Member"], "ownedByTeam": False}, "approve": {"roles": ["Admin"]}}
"""Who may run and approve an action that Port has just made, as the emulator assumes. Where a Port gives others, an
action that a cut-off run or undo has left with those stays and is named."""

Images = Mapping[tuple[str, str], DefinitionImage]
"""By kind and identifier."""

_STAMPS = frozenset({"id", "createdAt", "createdBy", "updatedAt", "updatedBy"})


def definitions_back(
    images: Iterable[DefinitionImage], held: Held
) -> tuple[tuple[DefinitionImage, ...], list[tuple[str, str]]]:
    """The images to go back to, and what stays as it is and why.

    The permissions of an action that the run created are no image to go back to: they go with it, so the action stays
    where somebody has changed them.
    """
    of: Images = {(each.kind, each.identifier): each for each in images}
    define: list[DefinitionImage] = []
    stays: list[tuple[str, str]] = []
    for image in of.values():
        has = held.get((image.kind, image.identifier))
        what = f"{image.kind} {image.identifier}"
        if image.kind == "permissions" and image.before is None:
            continue
        if image.kind == "blueprint" and image.before is None:
            if has is not None:
                stays.append((what, "stays: others may use it by now. Delete it in Port, where it is empty"))
        elif _as_before(image, has):
            continue
        elif not (_written(image, has) or _is_of_new_action(image, of, held)):
            stays.append((what, SINCE))
        elif image.kind == "action" and image.before is None and (why := _rights_since(image, of, held)):
            stays.append((what, why))
        else:
            define.append(replace(image, before=_plain(image.before)))
    return tuple(define), stays


def permissions_back(before: Json, has: Json | None) -> dict[str, Any]:
    """The body that makes the permissions that Port has what they were: what `before` does not name is emptied."""
    body: dict[str, Any] = {}
    for part in ("execute", "approve"):
        was, now = before.get(part) or {}, (has or {}).get(part) or {}
        body[part] = {key: [] if isinstance(each, list) else None for key, each in now.items()}
        body[part] |= was
    return body


def _rights_since(action: DefinitionImage, of: Images, held: Held) -> str:
    """Why an action that the run created is not to be deleted, by its permissions; empty where they are the run's."""
    place = ("permissions", action.identifier)
    image, has = of.get(place), held.get(place)
    if image is None or image.after is None:
        return "stays: an older version kept its record, without who could run it. Delete it in Port"
    if has is None or same_permissions(image.after, has) or same_permissions(NEW_ACTION, has):
        return ""
    return "stays: somebody changed its permissions since"


def _is_of_new_action(image: DefinitionImage, of: Images, held: Held) -> bool:
    """Whether these are the permissions of an action that an undo, cut off after that, has made again."""
    if image.kind != "permissions" or image.after is not None:
        return False
    action, has = of.get(("action", image.identifier)), held.get(("permissions", image.identifier))
    is_back = action is not None and _as_before(action, held.get(("action", image.identifier)))
    return is_back and has is not None and same_permissions(NEW_ACTION, has)


def _as_before(image: DefinitionImage, has: Json | None) -> bool:
    if has is None or image.before is None:
        return has is None and image.before is None
    return _SAME.get(image.kind, same_value)(_plain(has), _plain(image.before))


def _written(image: DefinitionImage, has: Json | None) -> bool:
    """Whether Port still holds what the run wrote and nothing that somebody added since."""
    if image.after is None or has is None:
        return image.after is None and has is None
    if same := _SAME.get(image.kind):
        return same(image.after, has)
    return _still(image.after, _plain(image.before) or {}, _plain(has) or {})


_SAME: Mapping[str, Callable[[Any, Any], bool]] = {"action": same_action, "permissions": same_permissions}


def _still(after: Any, before: Any, has: Any, key: str = "") -> bool:
    if key == "required" and isinstance(after, list) and isinstance(has, list):  # a set; those of others stay in it
        return {*after} <= {*has} <= {*after, *(before if isinstance(before, list) else ())}
    if not (isinstance(after, Mapping) and isinstance(has, Mapping)):
        return same_value(after, has) or (not after and not has)
    was: Json = before if isinstance(before, Mapping) else {}
    return all(
        _still(after[key], was.get(key), has.get(key), key)
        if key in after
        else not has[key] or same_value(has[key], was.get(key))
        for key in after.keys() | has.keys()
    )


def _plain(body: Json | None) -> dict[str, Any] | None:
    return None if body is None else {key: value for key, value in body.items() if key not in _STAMPS}
