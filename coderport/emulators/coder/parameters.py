"""Rich parameters at a build: the values that it gets, and which of them the server refuses.

There are two flows. The classic one judges one parameter after the other (source: `codersdk/richparameters.go` of
coder/coder, whose bounds and patterns are `Validation.Valid` of coder/terraform-provider-coder). The dynamic one
judges all of them (source: `coderd/dynamicparameters/resolver.go`). Both judge the values that a build carries on
from the one before as they judge those that it was given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from coderport.emulators.coder.http import Refused
from coderport.emulators.coder.records import Parameter, Template, Version
from coderport.emulators.patterns import ends_at_the_end


@dataclass(frozen=True)
class Wrong:
    """A parameter whose value cannot be taken; `summary` is the dynamic flow's heading of it.

    `missing` is one that is required and has no value.
    """

    name: str
    detail: str
    summary: str = ""
    missing: bool = False


def resolved_parameters(
    template: Template, version: Version, given: Mapping[str, str], previous: Mapping[str, str] | None
) -> tuple[dict[str, str], list[Wrong]]:
    """The values a build of `version` has, and what is wrong with them, in the version's order.

    `previous` are the workspace's present values, None for its first build. Names that the version does not know are
    dropped. Values that are not given are carried on unless they are ephemeral; else they are the default.
    """
    values: dict[str, str] = {}
    wrong: list[Wrong] = []
    carried = {**(previous or {}), **given}
    for parameter in version.asked(carried, classic=template.use_classic_parameter_flow):
        before = None if previous is None else previous.get(parameter.name)
        value = given.get(parameter.name)
        if value is None and not parameter.ephemeral:
            value = before
        if template.use_classic_parameter_flow:
            problem = _classic(parameter, value, before, given.get(parameter.name))
        else:
            problem = _dynamic(parameter, value, before)
        if problem is not None:
            wrong.append(problem)
        values[parameter.name] = parameter.default_value if value is None else value
    return values, wrong


def refuse_parameters(template: Template, wrong: list[Wrong]) -> None:
    """400 for parameters in the words of the template's flow: the classic one names only the first."""
    if not wrong:
        return
    if template.use_classic_parameter_flow:
        raise Refused(400, f"Unable to validate parameter {_quoted(wrong[0].name)}", wrong[0].detail)
    validations = [(item.name, f"{item.summary}; {item.detail}") for item in sorted(wrong, key=lambda item: item.name)]
    raise Refused(400, "Unable to validate parameters", validations=validations)


def made_up_values(version: Version) -> dict[str, str]:
    """Values for a workspace that nobody typed in: the defaults, and something valid where there are none."""
    return {parameter.name: _made_up(parameter) for parameter in version.parameters}


def _made_up(parameter: Parameter) -> str:
    if not parameter.required:
        return parameter.default_value
    candidates = [option.value for option in parameter.options] or ["a", "1", "A", "true", "[]"]
    least = () if parameter.validation_min is None else (str(parameter.validation_min),)
    return next((value for value in (*least, *candidates) if not _problem(parameter, value, None)), candidates[0])


def _classic(parameter: Parameter, value: str | None, before: str | None, given: str | None) -> Wrong | None:
    name = parameter.name
    if not parameter.mutable and given is not None and before is not None and given != before:
        return Wrong(name, _immutable(name))
    # A value that an ephemeral parameter had before counts here, though it is not carried on.
    if parameter.required and given is None and before is None:
        return Wrong(name, f"Parameter {_quoted(name)} is required but not provided", missing=True)
    problem = _problem(parameter, parameter.default_value if value is None else value, before)
    if not problem:
        return None
    return Wrong(name, f"can't validate build parameter {_quoted(parameter.display_name or name)}: {problem}")


def _problem(parameter: Parameter, value: str, before: str | None) -> str:
    """What the classic flow says of a value; "" if nothing. An empty one stands for the default."""
    if parameter.required and not value:
        return "parameter value is required"
    value = value or parameter.default_value
    if parameter.options:
        options = [option.value for option in parameter.options]
        if not _is_among(parameter, value, options):
            return f"parameter value must match one of options: [{' '.join(options)}]"
    return _validation_problem(parameter, value, before or None)


def _is_among(parameter: Parameter, value: str, options: list[str]) -> bool:
    if parameter.type != "list(string)" or parameter.form_type != "multi-select":
        return value in options
    items = _strings(value)
    return items is not None and all(item in options for item in items)


def _validation_problem(parameter: Parameter, value: str, before: str | None) -> str:
    """What a `validation` block says; a number without one is not looked at before Terraform is."""
    if parameter.type == "bool":
        return "" if value in ("true", "false") else 'boolean value can be either "true" or "false"'
    if parameter.type == "list(string)":
        return "" if _strings(value) is not None else f"value {_quoted(value)} is not valid list of strings"
    if parameter.type == "number":
        return _number_problem(parameter, value, before)
    if parameter.validation_regex and not re.search(ends_at_the_end(parameter.validation_regex), value):
        told = f"value {_quoted(value)} does not match {_quoted(parameter.validation_regex)}"
        return f"{parameter.validation_error} ({told})"
    return ""


def _number_problem(parameter: Parameter, value: str, before: str | None) -> str:
    low, high, monotonic = parameter.validation_min, parameter.validation_max, parameter.validation_monotonic
    if low is None and high is None and not monotonic:
        return ""
    number = _whole(value)
    if number is None:
        return _rendered(parameter, value) or f"value {_quoted(value)} is not a number"
    if low is not None and number < low:
        return _rendered(parameter, value) or f"value {number} is less than the minimum {low}"
    if high is not None and number > high:
        return _rendered(parameter, value) or f"value {number} is more than the maximum {high}"
    return _monotonic_problem(monotonic, number, before)


def _monotonic_problem(monotonic: str, number: int, before: str | None) -> str:
    earlier = None if before is None else _whole(before)
    if earlier is None:
        return ""  # a value that was no number cannot be compared, and is let be
    if monotonic == "increasing" and number < earlier:
        return f"parameter value '{number}' must be equal or greater than previous value: {earlier}"
    if monotonic == "decreasing" and number > earlier:
        return f"parameter value '{number}' must be equal or lower than previous value: {earlier}"
    return ""


def _rendered(parameter: Parameter, value: str) -> str:
    """The template's own words for a value out of bounds, "" if it has none."""
    told = parameter.validation_error.replace("{min}", str(parameter.validation_min or 0))
    return told.replace("{max}", str(parameter.validation_max or 0)).replace("{value}", value)


# ---------------------------------------------------------------- the dynamic flow


def _dynamic(parameter: Parameter, value: str | None, before: str | None) -> Wrong | None:
    name = parameter.name
    effective = parameter.default_value if value is None else value
    if not parameter.mutable and before is not None and effective != before:
        return Wrong(name, _immutable(name), "Immutable parameter changed")
    if value is None and parameter.required:
        return Wrong(name, "parameter value is null", "Required parameter not provided", missing=True)
    options = [option.value for option in parameter.options]
    if options and not _is_among(parameter, effective, options):
        empty = "" if effective else ". The value is empty, did you forget to set it with a default or from user input?"
        told = f"the value {_quoted(effective)} must be defined as one of options"
        return Wrong(name, told, f"Value must be a valid option{empty}")
    problem = _validation_problem(parameter, effective, None)
    if problem:
        return Wrong(name, problem, "Invalid parameter value according to 'validation' block")
    number = _whole(effective)
    problem = _monotonic_problem(parameter.validation_monotonic, number, before) if number is not None else ""
    return Wrong(name, problem, f"Parameter {_quoted(name)} monotonicity") if problem else None


# ---------------------------------------------------------------- words and values


def _immutable(name: str) -> str:
    return f"Parameter {_quoted(name)} is not mutable, so it can't be updated after creating a workspace."


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _whole(text: str) -> int | None:
    """A whole number as Go's `strconv.Atoi` reads it, which takes no fraction and no space."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None


def _strings(text: str) -> list[str] | None:
    try:
        items = json.loads(text)
    except ValueError:
        return None
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else None
