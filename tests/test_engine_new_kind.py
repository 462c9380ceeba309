"""A kind more is a file and a line: a toy is added to a copy of the project, and goes through the real engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = pytest.mark.in_order

TOY = Path(__file__).with_name("toy_kind.py")
HEADLINE = "from coderport.kinds import (\n"
LAST = "        workspace.KIND,\n"


class Cats:
    """The copy of the project, with cats in it."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout, self.port = checkout, checkout.pair.port
        kinds = checkout.folder / "coderport" / "kinds"
        shutil.copy(TOY, kinds / "toy_kind.py")
        text = (kinds / "all.py").read_text()
        assert HEADLINE in text and LAST in text
        text = text.replace(HEADLINE, f"{HEADLINE}    toy_kind,\n").replace(LAST, f"{LAST}        toy_kind.KIND,\n")
        (kinds / "all.py").write_text(text)
        self._file = kinds / "cats.json"
        (checkout.folder / "Pulumi.cats.yaml").write_text("config:\n  coderport:kinds:\n    - cats\n")
        self.templates = sorted(checkout.pair.coder.template_ids())
        self.cats = {
            f"cat:{name}@home": {
                "id": f"cat:{name}@home", "name": name, "home": self.templates[0], "visits": self.templates,
            }
            for name in ("Tom", "Kit", "Mia", "Lou")
        }  # fmt: skip
        self.dead: list[str] = []

    def run(self, command: str = "up", code: int = 0, *arguments: str) -> dict[str, Any]:
        self._file.write_text(json.dumps([self.cats, self.dead]))
        return self.checkout.json(command, "--stack", "cats", *arguments, code=code)

    def held(self) -> dict[str, Any]:
        return {each["identifier"]: each for each in self.port.entities("coder_cat")}


@pytest.fixture(scope="module")
def cats(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Cats]:
    with Pair(seed=11, workspaces=3, templates=2) as pair:
        yield Cats(Checkout(tmp_path_factory.mktemp("cats"), cli, pair))


def test_it_is_created_with_its_relations_to_one_and_to_many(cats: Cats) -> None:
    outcome = cats.run()
    assert outcome["kinds"]["cat"]["created"] == 4
    assert outcome["read"]["coder_cats"] == 4
    tom = cats.held()["cat:Tom@home"]
    assert tom["relations"] == {"home": cats.templates[0], "visits": cats.templates}
    for command in ("up", "sync"):
        again = cats.run(command)
        assert (again["result"], again["port_writes"], again["kinds"]["cat"]["unchanged"]) == ("unchanged", 0, 4)


def test_a_change_reaches_port_through_a_part_and_through_a_full_run(cats: Cats) -> None:
    cats.cats["cat:Tom@home"]["name"] = "Thomas"
    cats.cats["cat:Tom@home"]["visits"] = cats.templates[:1]
    assert cats.run("sync")["kinds"]["cat"] == {
        **dict.fromkeys(cats.run()["kinds"]["cat"], 0),
        "updated": 1,
        "unchanged": 3,
    }
    tom = cats.held()["cat:Tom@home"]
    assert (tom["title"], tom["relations"]["visits"]) == ("Thomas", cats.templates[:1])


def test_what_others_change_drifts_and_is_corrected(cats: Cats) -> None:
    cat = cats.held()["cat:Kit@home"]
    cats.port.put_entity(
        "coder_cat",
        {
            **{key: cat[key] for key in ("identifier", "title", "properties")},
            "relations": {"home": cats.templates[0], "visits": []},
        },
    )
    found = cats.run("drift", 4)["drift"]
    assert [(each["kind"], each["title"], list(each["values"])) for each in found] == [("cat", "Kit", ["visits"])]
    cats.run("drift", 0, "--repair")
    assert cats.held()["cat:Kit@home"]["relations"]["visits"] == cats.templates


def test_a_template_that_changes_takes_its_cats_into_the_part(cats: Cats) -> None:
    cats.checkout.pair.coder.template(cats.templates[0]).display_name = "Another name"
    outcome = cats.run("sync")
    assert outcome["kinds"]["template"]["updated"] == 1
    assert (outcome["kinds"]["cat"]["unchanged"], len(cats.held())) == (4, 4)


def test_the_guard_keeps_what_is_only_out_of_sight(cats: Cats) -> None:
    del cats.cats["cat:Lou@home"]
    refused = cats.run(code=3)
    assert "cats: 1 of 4 would go" in refused["message"] and "Lou" in refused["message"]
    assert "cat:Lou@home" in cats.held()
    cats.dead.append("cat:Lou@home")
    assert cats.run()["kinds"]["cat"]["deleted"] == 1
    assert "cat:Lou@home" not in cats.held()


def test_switched_off_it_goes_under_the_guard_and_its_blueprint_with_it(cats: Cats) -> None:
    (cats.checkout.folder / "Pulumi.cats.yaml").write_text(
        (cats.checkout.folder / "Pulumi.cats.yaml")
        .read_text()
        .replace("    - cats\n", "")
        .replace("coderport:kinds:", "coderport:kinds: []")
    )
    refused = cats.run(code=3)
    assert "3 no longer asked for by coderport:kinds" in refused["message"]
    assert cats.run("up", 0, "--allow-deletions", "3")["kinds"]["cat"]["deleted"] == 3
    assert cats.port.blueprint("coder_cat") is None
    assert cats.run()["result"] == "unchanged"
