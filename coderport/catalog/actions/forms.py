"""A template's parameters and presets as the inputs of a Port form, as close to Coder's own form as Port's allow.

What Port cannot say stands in the description: that a value is fixed once, may only grow, what the options are. The
runner and Coder judge every value again. Icons have no counterpart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coderport.catalog.actions.inputs import (
    form_value,
    input_key,
    option_labels,
    preset_labels,
    problems,
    takes_several,
)
from coderport.catalog.actions.patterns import ecmascript
from coderport.catalog.actions.values import Default, Input, InputType
from coderport.coder.parameters import Preset, RichParameter

TITLE_LIMIT = 100
INPUT_DESCRIPTION_LIMIT = 1000

_TYPES: dict[str, InputType] = {"bool": "boolean", "number": "number"}


def asked_at_creation(parameters: Iterable[RichParameter]) -> tuple[RichParameter, ...]:
    """Those that a form for a new workspace shows, in the template's order.

    Not the ephemeral ones: they hold for one build and have a default, and Coder's own form asks for them at a
    start only.
    """
    return tuple(each for each in parameters if not each.ephemeral)


def changeable(parameters: Iterable[RichParameter]) -> tuple[RichParameter, ...]:
    """Those that a start of an existing workspace may set: the mutable ones, and the ephemeral for that one build."""
    return tuple(each for each in parameters if each.mutable or each.ephemeral)


def parameter_input(parameter: RichParameter) -> Input:
    """The input for one parameter. A default that Coder would refuse itself is left out."""
    several = takes_several(parameter)
    kind: InputType = "array" if several else "string" if parameter.options else _TYPES.get(parameter.type, "string")
    is_text = kind == "string" and not parameter.options and parameter.type != "list(string)"
    is_number = kind == "number"
    pattern = ecmascript(parameter.validation_regex) if is_text and parameter.validation_regex else None
    return Input(
        key=input_key(parameter.name),
        type=kind,
        title=cut(parameter.title, TITLE_LIMIT),
        description=cut(" ".join(_described(parameter)), INPUT_DESCRIPTION_LIMIT) or None,
        required=parameter.required,
        default=_default(parameter),
        format="multi-line" if is_text and parameter.form_type == "textarea" else None,
        pattern=pattern,
        min_length=1 if is_text and parameter.required else None,
        minimum=parameter.validation_min if is_number else None,
        maximum=parameter.validation_max if is_number else None,
        enum=tuple(option_labels(parameter.options)),
    )


def fixed_by(preset: Preset) -> frozenset[str]:
    """The names of the parameters that the preset sets: its own form does not ask for them."""
    return frozenset(each.name for each in preset.parameters)


def preset_input(presets: Iterable[Preset]) -> Input | None:
    """A choice among the presets, named `preset`; None where there are none."""
    labels = preset_labels(presets)
    if not labels:
        return None
    texts = ["A set of values that the template offers. Its values win over those in the form."]
    texts.extend(f"{label}: {_sentence(each.description)}" for label, each in labels.items() if each.description)
    return Input(
        key="preset",
        type="string",
        title="Preset",
        description=cut(" ".join(texts), INPUT_DESCRIPTION_LIMIT),
        enum=tuple(labels),
    )


def cut(text: str, limit: int) -> str:
    """The text in at most `limit` characters, with an ellipsis where it went on."""
    text = text.strip()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _described(parameter: RichParameter) -> Iterator[str]:
    """First what has to be known, so that a long description of the template's is what gets cut."""
    if not parameter.mutable and not parameter.ephemeral:
        yield "Fixed once the workspace is created."
    if parameter.validation_monotonic == "increasing":
        yield "May only grow later."
    elif parameter.validation_monotonic == "decreasing":
        yield "May only shrink later."
    if parameter.validation_regex and parameter.validation_error:
        yield _sentence(parameter.validation_error)
    if description := parameter.description_plaintext or parameter.description:
        yield _sentence(description)
    for label, option in zip(option_labels(parameter.options), parameter.options, strict=True):
        if option.description:
            yield f"{label}: {_sentence(option.description)}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _default(parameter: RichParameter) -> Default | None:
    text = parameter.default_value
    if parameter.required or problems(parameter, text) or not (text or parameter.options):
        return None
    value = form_value(parameter, text)
    if isinstance(value, list):
        return tuple(value) or None
    return value
