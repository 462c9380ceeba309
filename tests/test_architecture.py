"""The rooms of coderport/ stand on floors: imports run down them only, and docs/architecture.md says so as it is."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from draw_architecture import FLOORS, PACKAGE, PAGE, arrows, graph, page_with  # noqa: E402


@cache
def imports() -> grimp.ImportGraph:
    return graph()


def test_a_room_imports_from_floors_below_its_own_only() -> None:
    layers = [grimp.Layer(*floor) for floor in FLOORS]
    illegal = imports().find_illegal_dependencies_for_layers(layers, containers={PACKAGE})
    assert sorted(f"{each.importer} imports {each.imported}" for each in illegal) == []


def test_every_folder_and_module_of_the_package_has_its_floor() -> None:
    folder = ROOT / PACKAGE
    rooms = {each.name for each in folder.iterdir() if (each / "__init__.py").exists()}
    rooms |= {each.stem for each in folder.glob("*.py") if not each.stem.startswith("__")}
    assert {room for floor in FLOORS for room in floor} == rooms


def test_the_general_part_of_the_catalog_imports_nothing_that_reads_or_writes() -> None:
    below = {other for room, other in arrows(imports()) if room == "catalog"}
    assert not below & {"port", "transport", "engine", "servers"}


def test_the_page_is_as_the_script_draws_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with(text, imports()), "run .venv/bin/python scripts/draw_architecture.py"


def test_every_place_that_the_page_names_exists() -> None:
    """A place is written `folder/module.py` or `folder/module.py: name`."""
    text = PAGE.read_text(encoding="utf-8")
    places = re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|yaml|md))(?:: (\w+))?`", text)
    assert len(places) > 20
    missing = [f"{path}: {name}" for path, name in places if not _has(ROOT / path, name)]
    assert missing == []


def _has(path: Path, name: str) -> bool:
    if not path.is_file():
        return False
    defined = re.compile(rf"^ *(?:(?:async )?def|class) {name}\b", re.MULTILINE)
    return not name or defined.search(path.read_text(encoding="utf-8")) is not None
