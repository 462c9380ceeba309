"""The form of an action: the inputs `userProperties`, `orderProperties`, `steps`, … and Port's `userInputs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coderport.provider.protocol import UNKNOWN
from coderport.provider.translation import JQ, TEXT, Codec, Each, Field, Json, Shape, Tagged, Trail, same

_VISIBLE = (Field("visibleJqQuery", "visible", JQ), Field("visible", "visible", idle=True))
_COMMON = (
    *same("title", "description", "icon", "sort"),
    Field("dependsOns", "dependsOn"),
    Field("disabledJqQuery", "disabled", JQ),
    Field("disabled", "disabled", idle=False),
    *_VISIBLE,
)
_ENUM = (Field("enumJqQuery", "enum", JQ), Field("enums", "enum"))
_DEFAULT_JQ = Field("defaultJqQuery", "default", JQ)
_DEFAULT = (_DEFAULT_JQ, Field("default", "default"))


class _Encryption:
    """The name of Port's own encryption, which is a text and not an object."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        return given

    def to_input(self, live: Any) -> Any:
        return live if isinstance(live, str) else None

    def seen(self, live: Any) -> Any:
        return self.to_input(live)


_ENCRYPTION = (
    Field("encryption", "encryption", _Encryption()),
    Field("clientSideEncryption", "encryption", Shape(same("algorithm", "key"))),
)


class _Array:
    """An input that takes a list; the defaults that stand among its items stand beside them at Port.

    Written by another client they may stand among the items, where they are found as well.
    """

    _SHAPE = Shape(
        (
            *_COMMON,
            _DEFAULT_JQ,
            Field("minItemsJqQuery", "minItems", JQ),
            Field("minItems", "minItems"),
            Field("maxItemsJqQuery", "maxItems", JQ),
            Field("maxItems", "maxItems"),
            Field(
                "stringItems",
                "items",
                Tagged(
                    "string",
                    Shape(
                        (
                            *same("format", "blueprint"),
                            Field("dataset", "dataset", TEXT),
                            *_ENUM,
                            Field("defaults", "default"),
                        )
                    ),
                ),
            ),
            Field("numberItems", "items", Tagged("number", Shape((*_ENUM, Field("defaults", "default"))))),
            Field("booleanItems", "items", Tagged("boolean", Shape((Field("defaults", "default"),)))),
            Field("objectItems", "items", Tagged("object", Shape((Field("defaults", "default"),)))),
        )
    )

    def to_port(self, given: Any, trail: Trail) -> Any:
        result = self._SHAPE.to_port(given, trail)
        items = result.get("items") if isinstance(result, dict) else None
        if isinstance(items, dict) and "default" in items:
            if "default" in result:
                trail.at("defaultJqQuery").complain("excludes the defaults of the items")
            result["default"] = items.pop("default")
        return result

    def to_input(self, live: Any) -> Any:
        return self._SHAPE.to_input(_lowered(live))

    def seen(self, live: Any) -> Any:
        return self._SHAPE.seen(_lowered(live))


def _lowered(live: Any) -> Any:
    default, items = live.get("default"), live.get("items")
    if not isinstance(default, list) or not isinstance(items, Mapping):
        return live
    beside = {key: value for key, value in live.items() if key != "default"}
    return {**beside, "items": {**items, "default": default}}


_BAGS: dict[str, Codec] = {
    "stringProps": Tagged(
        "string",
        Shape(
            (
                *_COMMON,
                *_DEFAULT,
                *_ENUM,
                *_ENCRYPTION,
                *same("format", "blueprint", "dataset", "enumColors", "minLength", "maxLength"),
                Field("patternJqQuery", "pattern", JQ),
                Field("pattern", "pattern"),
            )
        ),
    ),
    "numberProps": Tagged("number", Shape((*_COMMON, *_DEFAULT, *_ENUM, *same("enumColors", "minimum", "maximum")))),
    "booleanProps": Tagged("boolean", Shape((*_COMMON, *_DEFAULT))),
    "objectProps": Tagged("object", Shape((*_COMMON, _DEFAULT_JQ, Field("default", "default", TEXT), *_ENCRYPTION))),
    "arrayProps": Tagged("array", _Array()),
}

_AROUND = Shape(
    (
        Field("orderProperties", "order"),
        Field("steps", "steps", Each(Shape((*same("title"), Field("orders", "order"), *_VISIBLE)))),
        Field("titles", "titles", Each(Shape((*same("title", "description"), *_VISIBLE)))),
    )
)


class _Form:
    """`userInputs`: every input by its key, which of them are required, and how they are laid out."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        outer = {key: value for key, value in given.items() if key not in ("userProperties", "requiredJqQuery")}
        properties, required = self._properties(given.get("userProperties"), trail.at("userProperties"))
        jq = given.get("requiredJqQuery")
        if jq is not None and required:
            trail.at("requiredJqQuery").complain("excludes inputs that are required by themselves")
        result: Json = {"properties": properties}
        if jq is not None:
            result["required"] = JQ.to_port(jq, trail)
        elif required:
            result["required"] = required
        around = _AROUND.to_port(outer, trail)
        if "order" in around and "steps" in around:
            trail.at("steps").complain("excludes orderProperties")
        return {**result, **around}

    def _properties(self, bags: Any, trail: Trail) -> tuple[Any, list[str]]:
        if bags == UNKNOWN:
            return bags, []
        properties: Json = {}
        required: list[str] = []
        for bag, given in sorted((bags or {}).items()):
            here = trail.at(bag)
            if bag not in _BAGS:
                here.complain("is not a kind of input that Port has")
            elif isinstance(given, Mapping):
                for key, value in sorted(given.items()):
                    if key in properties:
                        here.at(key).complain("is declared twice")
                    properties[key] = self._property(bag, value, here.at(key))
                    if isinstance(value, Mapping) and value.get("required") is True:
                        required.append(key)
        return properties, required

    def _property(self, bag: str, given: Any, trail: Trail) -> Any:
        if not isinstance(given, Mapping):
            return UNKNOWN if given == UNKNOWN else _BAGS[bag].to_port({}, trail)
        return _BAGS[bag].to_port({key: value for key, value in given.items() if key != "required"}, trail)

    def to_input(self, live: Any) -> Any:
        return self._read(live, seen=False)

    def seen(self, live: Any) -> Any:
        return self._read(live, seen=True)

    def _read(self, live: Any, *, seen: bool) -> Json:
        result: Json = _AROUND.seen(live) if seen else _AROUND.to_input(live)
        required = live.get("required") or []
        jq = JQ.to_input(required)
        if jq is not None:
            result["requiredJqQuery"] = jq
        properties = live.get("properties") or {}
        if properties == UNKNOWN:
            return {**result, "userProperties": UNKNOWN}
        bags: Json = {}
        for key, value in properties.items():
            bag, read = _read_property(value, seen)
            if jq is None and key in required and isinstance(read, dict):
                read["required"] = True
            if bag is not None:
                bags.setdefault(bag, {})[key] = read
        if bags:
            result["userProperties"] = bags
        return result


def _read_property(live: Any, seen: bool) -> tuple[str | None, Any]:
    if live == UNKNOWN:
        return "stringProps", UNKNOWN
    for bag, codec in _BAGS.items():
        read = codec.seen(live) if seen else codec.to_input(live)
        if read is not None:
            return bag, read
    return None, None


_FORM_INPUTS = ("userProperties", "requiredJqQuery", "orderProperties", "steps", "titles")
_TRIGGER = Shape(
    (
        *same("operation", "blueprintIdentifier", "actionCardButtonText", "executeActionButtonText"),
        Field("condition", "condition", TEXT),
    )
)


class SelfService:
    """The trigger by a person: where and when the action is offered, and its form."""

    def to_port(self, given: Any, trail: Trail) -> Any:
        if not isinstance(given, Mapping):
            return given
        form = {key: value for key, value in given.items() if key in _FORM_INPUTS}
        trigger = _TRIGGER.to_port({key: value for key, value in given.items() if key not in form}, trail)
        return {**trigger, "userInputs": _Form().to_port(form, trail)}

    def to_input(self, live: Any) -> Any:
        return {**_TRIGGER.to_input(live), **_Form().to_input(live.get("userInputs") or {})}

    def seen(self, live: Any) -> Any:
        return {**_TRIGGER.seen(live), **_Form().seen(live.get("userInputs") or {})}
