"""Presets of which Coder keeps prebuilt workspaces.

A preset has another id in each version of its template. So it is known by its template and its name, and stays the same
entity when a version is promoted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.identifiers import PRESETS, TEMPLATES
from coderport.catalog.values import Context, Entity, LeftOut, Ref, is_named_id, named_id
from coderport.coder.errors import CoderForbidden, CoderNotFound
from coderport.coder.fate import Fate
from coderport.kinds.filters import Filters
from coderport.kinds.kind import NOTHING, Chosen, Kind, Listing, Reading, refused
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, picture, related
from coderport.tasks import together

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from coderport.coder.facilities import PrebuildPreset
    from coderport.coder.models import Template, Workspace

_UNBUILT = frozenset({"failed", "canceled"})
_COUNTED = ("running", "ready", "invalid")

PRESET = Blueprint(
    identifier=PRESETS,
    title="Coder Prebuild Preset",
    icon="Box",
    description="A preset of which Coder keeps prebuilt workspaces",
    properties=(
        Property("name", "string", "Name", description="Name of the preset, unique in its template"),
        Property("description", "string", "Description", description="What the template says of it"),
        Property("icon_url", "string", "Icon", format="url", description="Picture of the preset"),
        Property("is_default", "boolean", "Default", description="Whether it is the one that a form begins with"),
        Property("desired", "number", "Desired", description="How many prebuilt workspaces there should be"),
        Property(
            "running",
            "number",
            "Running",
            description="How many unclaimed ones of the active version are running",
        ),
        Property("ready", "number", "Ready", description="How many of these have agents that are ready to be used"),
        Property(
            "invalid",
            "number",
            "Invalid",
            description="How many unclaimed ones nobody can claim: of another version, or with a build that failed",
        ),
        Property("template_name", "string", "Template Name", description="Name of its template"),
        DEPLOYMENT,
        MANAGED_BY,
    ),
    relations=(Relation("template", "Template", TEMPLATES, description="The preset's template", with_target=True),),
)


@dataclass(frozen=True)
class Row:
    """A preset of the active version of a template, and how many unclaimed workspaces there are of it."""

    template: Template
    preset: PrebuildPreset
    running: int
    ready: int
    invalid: int


def identifier_of(template_id: str, name: str) -> str:
    """What the preset of that name is known by, in whichever version of its template."""
    return named_id(template_id, name)


async def _read(reading: Reading) -> Listing[Row]:
    """The presets of each active version, and those of older ones that unclaimed workspaces still have.

    A known one that its template does not seem to have any more is asked for once more.
    """
    from coderport.coder.facilities import Facilities  # the provider loads this module, and has no need for it

    snapshot, facilities = reading.snapshot, Facilities(reading.client)
    templates = {**snapshot.templates, **snapshot.outside_templates}
    prebuilt = [each for each in snapshot.workspaces.values() if each.is_prebuild]
    active = {each.active_version_id for each in templates.values()} - {""}
    older = {each.latest_build.template_version_id for each in prebuilt} - active - {""}

    async def of(version_id: str) -> tuple[PrebuildPreset, ...] | None:
        try:
            return await facilities.presets(version_id)
        except CoderNotFound:
            if version_id in active:
                raise
            return ()

    presets: dict[str, dict[str, PrebuildPreset]] = {}

    async def ask(versions: set[str]) -> bool:
        """Adds what these versions have; False where Coder does not say how many are prebuilt."""
        ids = sorted(versions)
        answers = await together(of(each) for each in ids)
        for key, answer in zip(ids, answers, strict=True):
            presets.setdefault(key, {}).update((each.id, each) for each in answer or ())
        return None not in answers

    def of_active() -> dict[str, tuple[Template, PrebuildPreset]]:
        return {
            identifier_of(template.id, preset.name): (template, preset)
            for template in templates.values()
            for preset in presets.get(template.active_version_id, {}).values()
        }

    try:
        told = await ask(active | older)
        doubtful = {each.partition(":")[0] for each in reading.known - of_active().keys()} & templates.keys()
        told = told and await ask({templates[each].active_version_id for each in doubtful} - {""})
    except (CoderForbidden, CoderNotFound) as error:
        return Listing(NOTHING, skipped=refused(error, "presets of each template"))
    if not told:
        return Listing(NOTHING, skipped="this version of Coder does not say how many workspaces are prebuilt")
    names = {one.id: one.name for several in presets.values() for one in several.values()}
    counts = Counter(_counted(prebuilt, names, templates))
    rows = {
        key: Row(template, preset, *(counts[template.id, preset.name, what] for what in _COUNTED))
        for key, (template, preset) in of_active().items()
    }
    wanted = {key: each for key, each in sorted(rows.items()) if each.preset.desired is not None}
    shown = {each.id for each in templates.values() if presets.get(each.active_version_id)}
    fates, blank = await _ends(reading, reading.known - wanted.keys(), templates, rows.keys(), shown)
    return Listing(
        {key: each for key, each in wanted.items() if each.template.id in snapshot.templates},
        {key: each for key, each in wanted.items() if each.template.id not in snapshot.templates},
        fates,
        blank=blank,
    )


async def _ends(
    reading: Reading,
    unseen: Collection[str],
    templates: Mapping[str, Template],
    without_prebuilds: Collection[str],
    with_presets: Collection[str],
) -> tuple[dict[str, Fate], frozenset[str]]:
    """The fates that are known, and those of which an empty answer is the only word.

    The presets of a version never change, so a version that Port does not have yet explains that one is no more. An
    answer without any preset of a version that had some explains nothing.
    """
    from coderport.coder.reading.proof import template_fates  # the provider loads this module without a Coder

    places = {each: each.partition(":")[0] for each in sorted(unseen)}
    told = reading.snapshot.template_fates
    asked = await template_fates(reading.client, set(places.values()) - templates.keys() - told.keys(), templates)
    fates: dict[str, Fate] = {}
    blank: set[str] = set()
    for each, place in places.items():
        template, before = templates.get(place), reading.in_port(TEMPLATES, place, "active_version_id")
        if template is None:
            gone = Fate.GONE in (told.get(place), asked.get(place))
            fates[each] = Fate.GONE if gone else Fate.UNPROVEN
        elif not template.active_version_id:
            fates[each] = Fate.UNPROVEN
        elif each in without_prebuilds or before not in ("", template.active_version_id):
            fates[each] = Fate.GONE
        elif place not in with_presets:
            blank.add(each)
    return fates, frozenset(blank)


def _counted(
    prebuilt: list[Workspace], names: dict[str, str], templates: dict[str, Template]
) -> list[tuple[str, str, str]]:
    """Each unclaimed workspace as what it counts for.

    A claim takes the active version, a build that succeeded and agents that are ready (`queries/prebuilds.sql`).
    """
    found = []
    for each in prebuilt:
        build, template = each.latest_build, templates.get(each.template_id)
        name = names.get(build.template_version_preset_id)
        if template is None or name is None:
            continue
        place = (template.id, name)
        if build.template_version_id != template.active_version_id or build.status in _UNBUILT:
            found.append((*place, "invalid"))
        elif build.status == "running":
            found.append((*place, "running"))
            found += [(*place, "ready")] if each.agents_ready else []
    return found


def _entity(row: Row, context: Context, chosen: Chosen) -> Entity:
    template, preset = row.template, row.preset
    return entity_of(
        PRESET.identifier,
        identifier_of(template.id, preset.name),
        f"{template.display_name or template.name}/{preset.name}",
        {
            "name": preset.name,
            "description": preset.description,
            "icon_url": picture(context, preset.icon),
            "is_default": preset.default,
            "desired": preset.desired,
            "running": row.running,
            "ready": row.ready,
            "invalid": row.invalid,
            "template_name": template.name,
        },
        related(PRESET, {"template": template.id}, chosen.shown),
        context,
    )


def _left_out(row: Row, filters: Filters, context: Context, chosen: Chosen) -> LeftOut | None:
    return LeftOut.TEMPLATE if Ref(TEMPLATES, row.template.id) in chosen.left_out else None


KIND: Kind[Row] = Kind(
    blueprint=PRESET,
    words=("preset", "presets"),
    columns=("template_name", "desired", "running", "ready", "invalid"),
    needs=frozenset({"template", "workspace"}),
    read=_read,
    entity=_entity,
    left_out=_left_out,
    is_identifier=is_named_id,
    ends="derived",
    end="no longer kept ready",
    proof="the active version of its template has no such preset with prebuilt workspaces",
)
