"""Cats, which a test adds to a copy of the project: all that a new kind takes. Its rows come from a file beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coderport.catalog.blueprint import Blueprint, Property, Relation
from coderport.catalog.values import Context, Entity
from coderport.coder.fate import Fate
from coderport.kinds.kind import Chosen, Kind, Listing, Reading
from coderport.kinds.mapping import DEPLOYMENT, MANAGED_BY, entity_of, related
from coderport.kinds.template import TEMPLATE

CAT = Blueprint(
    identifier="coder_cat",
    title="Cat",
    icon="Box",
    description="A cat of somebody who has workspaces",
    properties=(Property("name", "string", "Name"), DEPLOYMENT, MANAGED_BY),
    relations=(
        Relation("home", "Home", TEMPLATE.identifier, with_target=True),
        Relation("visits", "Visits", TEMPLATE.identifier, many=True, with_target=True),
    ),
)


async def _read(reading: Reading) -> Listing[dict[str, Any]]:
    cats, dead = json.loads(Path(__file__).with_name("cats.json").read_text())
    fates = {each: Fate.GONE if each in dead else Fate.UNPROVEN for each in reading.known - cats.keys()}
    return Listing(cats, fates=fates)


def _entity(cat: dict[str, Any], context: Context, chosen: Chosen) -> Entity:
    relations = related(CAT, {"home": cat["home"], "visits": tuple(cat["visits"])}, chosen.shown)
    return entity_of(CAT.identifier, cat["id"], cat["name"], {"name": cat["name"]}, relations, context)


KIND: Kind[dict[str, Any]] = Kind(
    blueprint=CAT,
    words=("cat", "cats"),
    read=_read,
    entity=_entity,
    is_identifier=lambda identifier: identifier.startswith("cat:"),
)
