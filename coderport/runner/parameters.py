"""A run's inputs as a template version's parameter values: each one known, and one that Coder would take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from coderport.catalog.actions.declared import OwnForm, preset_of
from coderport.catalog.actions.forms import asked_at_creation, changeable, fixed_by
from coderport.catalog.actions.inputs import carried_problems, coder_value, input_key, preset_labels, problems
from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderNotFound, CoderStatusError
from coderport.coder.parameters import Diagnostic, Preset, RichParameter, read_evaluation
from coderport.runner.values import Order, Refused

_TOO_EARLY = 425
_LONGEST_SHOWN = 60


async def read_parameters(coder: CoderClient, version_id: str) -> tuple[RichParameter, ...]:
    """What the version asks for; Refused while Coder is still importing it."""
    try:
        return await coder.rich_parameters(version_id)
    except CoderStatusError as error:
        if error.status != _TOO_EARLY:
            raise
    raise Refused("Coder is still importing this version of the template. Try again in a minute.")


async def read_presets(coder: CoderClient, version_id: str) -> tuple[Preset, ...]:
    """The version's presets; none on servers that have no such thing."""
    try:
        return await coder.presets(version_id)
    except CoderNotFound:
        return ()


def form_keys(
    order: Order, parameters: Iterable[RichParameter], presets: Sequence[Preset], own: Preset | None
) -> frozenset[str]:
    """The inputs of a form beside those of every creation; `own` is the preset whose form it is."""
    if order.form is None:
        return frozenset({"template"})
    fixed = fixed_by(own) if own is not None else frozenset()
    keys = {input_key(each.name) for each in asked_at_creation(parameters) if each.name not in fixed}
    return frozenset(keys | ({"preset"} if presets and own is None else set()))


def own_preset(presets: Sequence[Preset], form: OwnForm | None) -> Preset | None:
    """The preset whose own form was filled in, None for a form that is no preset's."""
    if form is None or form.preset is None:
        return None
    found = preset_of(form, presets)
    if found is None:
        raise Refused(
            "The template does not have this preset any more, so nobody knows which values it stood for. The next run "
            "of coderport takes the action away: create the workspace with the template's own form."
        )
    return found


def chosen_preset(presets: Sequence[Preset], label: str | None) -> Preset | None:
    """The preset that the form calls so; None for none."""
    if label is None:
        return None
    found = preset_labels(presets).get(label)
    if found is None:
        raise Refused("The template has no such preset (any more). Open the form again and choose another.")
    return found


async def evaluated_problems(
    coder: CoderClient, version_id: str, values: Mapping[str, str], owner_id: str
) -> list[str] | None:
    """What Coder has against these values where it evaluates parameters anew for each set of them; None if it does not.

    The form that the import saw is no measure there: options and whole parameters depend on other values.
    """
    found = await read_evaluation(coder, version_id, values, owner_id)
    if found is None:
        return None
    wrong = [_told("", each, None) for each in found.diagnostics if each.severity == "error"]
    return wrong + [
        _told(f"{parameter.display_name or parameter.name}: ", each, values.get(parameter.name))
        for parameter in found.parameters
        for each in parameter.diagnostics
        if each.severity == "error"
    ]


def _told(what: str, diagnostic: Diagnostic, value: str | None) -> str:
    """Coder's words for a person, without the value: a free text may be a secret, and a run is read by many."""
    detail = diagnostic.detail
    return what + diagnostic.summary + (f" ({detail})" if detail and not (value and value in detail) else "")


def for_new(
    order: Order, parameters: Sequence[RichParameter], preset: Preset | None, *, judged: bool = True
) -> dict[str, str]:
    """The values for a first build; Refused with everything that is wrong, unless Coder itself is asked (not `judged`).

    The preset's own are among them: a server before 2.22 lists presets and ignores their id in a request.
    """
    asked = {input_key(each.name): each for each in asked_at_creation(parameters)}
    given = {each.name: coder_value(each, order.inputs[key]) for key, each in asked.items() if key in order.inputs}
    fixed = {each.name: each.value for each in preset.parameters} if preset is not None else {}
    effective = {**given, **fixed}
    judge = _wrong if judged else _unkeepable
    refuse([wrong for each in parameters for wrong in judge(each, effective.get(each.name), None)])
    return effective


def for_start(
    order: Order, parameters: Sequence[RichParameter], previous: Mapping[str, str], *, judged: bool = True
) -> dict[str, str]:
    """The values that a start changes, from the input `parameters`: an object by parameter name; null changes none.

    Not `judged`, Coder itself is asked about the values.
    """
    given = order.inputs.get("parameters")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise Refused("The input parameters must be an object: a value by the name of each parameter.")
    judge = _wrong if judged else _unkeepable
    known = {each.name: each for each in parameters}
    open_ones = {each.name for each in changeable(parameters)}
    wrong: list[str] = []
    values: dict[str, str] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in known:
            wrong.append(f"{name!r} is not a parameter of the workspace's template version")
        elif name not in open_ones:
            wrong.append(f"{known[name].title}: it was fixed when the workspace was created and cannot change")
        else:
            values[name] = coder_value(known[name], value)
            wrong += judge(known[name], values[name], previous.get(name))
    refuse(wrong)
    return values


def wrong_carried(parameters: Iterable[RichParameter], previous: Mapping[str, str], *, classic: bool) -> list[str]:
    """What the version, by the form that its import saw, has against the values that the workspace has.

    `classic` is the flow of the workspace's template.
    """
    return [text for each in parameters for text in _wrong_carried(each, previous.get(each.name), classic)]


def carried(parameters: Iterable[RichParameter], previous: Mapping[str, str]) -> dict[str, str]:
    """The values that a build takes over from the one before: all but those that hold for one build only."""
    once = {each.name for each in parameters if each.ephemeral}
    return {name: value for name, value in previous.items() if name not in once}


def require_carried(wrong: Sequence[str], remedy: str) -> None:
    """Refused where the version would not start with the values that the workspace has; `remedy` is what to do then."""
    if wrong:
        raise Refused(
            "Nothing was stopped: the version that would be started does not take the values of this workspace. "
            f"{'; '.join(wrong)}. {remedy}"
        )


def _wrong_carried(parameter: RichParameter, value: str | None, classic: bool) -> list[str]:
    """What the version has against a value that a build carries over; an ephemeral one is not carried."""
    if value is None or parameter.ephemeral:
        return problems(parameter, None)
    return [
        f"{wrong} (this workspace has {_shown(parameter, value)})"
        for wrong in carried_problems(parameter, value, classic=classic)
    ]


def _shown(parameter: RichParameter, value: str) -> str:
    """The value for a person. A free text is not repeated: it may be a secret, and a run is read by many."""
    if not value:
        return "an empty value"
    chosen = bool(parameter.options) or parameter.type in ("number", "bool")
    return value if chosen and len(value) <= _LONGEST_SHOWN and value.isprintable() else "another text"


def _wrong(parameter: RichParameter, value: str | None, previous: str | None) -> list[str]:
    """What cannot be taken."""
    return _unkeepable(parameter, value, previous) or problems(parameter, value, previous=previous)


def _unkeepable(parameter: RichParameter, value: str | None, _: str | None) -> list[str]:
    """Whether it is a text that no database keeps: with a NUL, or half of a character."""
    if value is not None and ("\0" in value or value.encode(errors="replace").decode() != value):
        return [f"{parameter.title}: has a character that cannot be kept"]
    return []


def refuse(wrong: Sequence[str]) -> None:
    """Refused, with all that is wrong with a build, before it is begun."""
    if wrong:
        raise Refused("Nothing was built. " + "; ".join(wrong) + ".")
