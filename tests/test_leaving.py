"""Why an action leaves: its template's end, the settings, or nothing that accounts for it."""

from __future__ import annotations

from action_samples import PRESETS, form
from catalog_samples import numbered, template

from coderport.catalog.actions.declared import START, create_from, create_from_preset
from coderport.catalog.values import LeftOut
from coderport.coder.parameters import Preset, TemplateForm
from coderport.guard.leaving import Leaving, leaving_actions
from coderport.settings import Actions

ACTIONS = Actions(backend="webhook", url="https://runner.example.com/runs")
FORM = create_from(numbered(1))
SMALL = create_from_preset(numbered(1), "Small")
WITH_PRESETS = ACTIONS.model_copy(update={"extra": ("presets",)})


def leaving(
    *identifiers: str,
    settings: Actions | None = ACTIONS,
    gone: tuple[str, ...] = (),
    left_out: dict[str, LeftOut] | None = None,
    unkept: tuple[str, ...] = (),
    presets: tuple[Preset, ...] | None = None,
    **fields: object,
) -> Leaving:
    templates = {numbered(1): template(id=numbered(1), **fields)} if fields else {}
    forms: dict[str, TemplateForm] = {}
    if presets is not None:
        forms = {numbered(1): form(presets=presets, template_id=numbered(1))}
    return leaving_actions(identifiers, settings, templates, forms, gone=gone, left_out=left_out or {}, unkept=unkept)


def test_a_stack_that_asks_for_no_actions_leaves_them_all_out() -> None:
    off = ACTIONS.model_copy(update={"backend": "off"})
    for settings in (None, off):
        found = leaving(START, FORM, settings=settings)
        assert found == Leaving(frozenset(), dict.fromkeys((START, FORM), LeftOut.ACTIONS))


def test_a_form_goes_with_its_template() -> None:
    assert leaving(FORM, gone=(numbered(1),)).gone == {FORM}
    assert leaving(FORM, left_out={numbered(1): LeftOut.ORGANIZATION}).left_out == {FORM: LeftOut.ORGANIZATION}
    assert leaving(FORM, gone=(numbered(1),), unkept=(numbered(1),)).gone == {FORM}


def test_a_form_that_the_settings_or_a_deprecation_end_is_left_out() -> None:
    assert leaving(FORM, deprecated=True).left_out == {FORM: LeftOut.DEPRECATED}
    none = ACTIONS.model_copy(update={"templates": "none"})
    assert leaving(FORM, settings=none, name="docker").left_out == {FORM: LeftOut.ACTIONS}


def test_nothing_accounts_for_a_form_that_was_not_readable() -> None:
    nothing = Leaving(frozenset(), {})
    assert leaving(FORM, name="docker") == nothing
    assert leaving(FORM) == nothing
    unkept = (numbered(1),)
    assert leaving(FORM, unkept=unkept) == leaving(FORM, name="docker", unkept=unkept) == nothing
    assert leaving(FORM, left_out={numbered(1): LeftOut.ORGANIZATION}, unkept=unkept) == nothing


def test_the_form_of_a_preset_goes_with_it_or_with_its_template() -> None:
    others = tuple(each for each in PRESETS if each.name != "Small")
    assert leaving(SMALL, settings=WITH_PRESETS, name="docker", presets=others).gone == {SMALL}
    assert leaving(SMALL, settings=WITH_PRESETS, gone=(numbered(1),)).gone == {SMALL}
    assert leaving(SMALL, name="docker", presets=PRESETS).left_out == {SMALL: LeftOut.ACTIONS}


def test_nothing_accounts_for_the_form_of_a_preset_that_is_there_or_was_not_readable() -> None:
    nothing = Leaving(frozenset(), {})
    assert leaving(SMALL, settings=WITH_PRESETS, name="docker", presets=PRESETS) == nothing
    assert leaving(SMALL, settings=WITH_PRESETS, name="docker") == nothing
