"""Another identifier for a blueprint: everything that names it follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from coderport.emulators.port.blueprints import Blueprint, Rules
from coderport.emulators.port.records import Json
from coderport.emulators.port.store import Store


def rename(store: Store, held: Blueprint, new: str) -> None:
    """Give the blueprint the identifier, which must be free, in entities, other blueprints, pages and actions."""
    old = held.identifier
    store.rename_blueprint(old, new)
    held.permissions = _named(held.permissions, f"{old}-moderator", f"{new}-moderator")
    for other in store.blueprints.values():
        other.body, other.rules = retargeted(other.body, other.rules, old, new)
    held.body = {**held.body, "identifier": new}
    for page in store.pages.values():
        if page.get("blueprint") == old:
            page["blueprint"] = new
    for scorecard in held.scorecards.values():
        scorecard["blueprint"] = new
    for action in store.actions.values():
        if action["trigger"].get("blueprintIdentifier") == old:
            action["trigger"] = {**action["trigger"], "blueprintIdentifier": new}


def retargeted(body: Json, rules: Rules, old: str, new: str) -> tuple[Json, Rules]:
    """The blueprint's body and rules with the one target in the place of the other."""
    if all(relation.target != old for relation in rules.relations.values()):
        return body, rules
    relations = {
        key: {**each, "target": new} if each["target"] == old else each for key, each in body["relations"].items()
    }
    compiled = {key: replace(each, target=new) if each.target == old else each for key, each in rules.relations.items()}
    return {**body, "relations": relations}, replace(rules, relations=compiled)


def _named(value: Any, old: str, new: str) -> Any:
    """The value with one text in the place of another, wherever it stands."""
    if isinstance(value, dict):
        return {key: _named(each, old, new) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each, old, new) for each in value]
    return new if value == old else value
