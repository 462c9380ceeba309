"""The types that `Pulumi.yaml` declares are held against a config as the engine holds them."""

from __future__ import annotations

from typing import Any

import pytest

from coderport.project import brought, description_of
from coderport.stack.schema import mistyped, values_of

DESCRIPTION = description_of(brought(""))


def printed(value: Any) -> dict[str, Any]:
    """As `pulumi config --json` (3.250) prints it: a list and an object twice, all else as text."""
    return {"value": str(value), "secret": False, **({} if isinstance(value, str) else {"objectValue": value})}


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        # By `ValidateConfigValue`. All but "true", "many", "use", lists and notDeclared were tried with CLI 3.250.
        ("takeOver", "yes", "boolean"), ("takeOver", "1", "boolean"), ("takeOver", "True", "boolean"),
        ("takeOver", "true", None), ("keepRuns", "20", None), ("keepRuns", "many", "integer"),
        ("templates", '["a*"]', "array"), ("templates", ["a*"], None), ("actions", "{}", "object"),
        ("actions", {"backend": "off"}, None), ("blueprints", {"a": 1}, "string"), ("blueprints", "use", None),
        ("notDeclared", [1], None),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_named_with_the_type(key: str, value: Any, kind: str | None) -> None:
    expected = () if kind is None else ((f"coderport:{key}", kind),)
    assert mistyped(DESCRIPTION, {f"coderport:{key}": printed(value)}) == expected


def test_keys_of_another_namespace_have_no_type() -> None:
    assert mistyped({**DESCRIPTION, "name": "catalog"}, {"coderport:takeOver": printed("yes")}) == ()
    assert mistyped({"name": "catalog"}, {"catalog:takeOver": printed("yes")}) == ()


def test_all_of_them_are_named() -> None:
    given = {"coderport:takeOver": printed("yes"), "coderport:keepRuns": printed("many")}
    assert {key for key, _ in mistyped(DESCRIPTION, given)} == given.keys()


def test_values_are_texts_with_whether_they_are_secret() -> None:
    given = {"coderport:a": {"value": "t", "secret": True}, "coderport:b": printed("1")}
    assert values_of(given) == {"coderport:a": ("t", True), "coderport:b": ("1", False)}
