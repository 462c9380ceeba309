"""Two commands that begin the same thing at once: a new stack, and the demo."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from checkout import Checkout, Command

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo

pytestmark = pytest.mark.dear


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    with Pair(seed=5, workspaces=8, templates=2) as pair:
        checkout = Checkout(tmp_path_factory.mktemp("two"), cli, pair)
        yield checkout


def test_two_first_runs_of_a_new_stack_make_it_once(checkout: Checkout) -> None:
    with ThreadPoolExecutor(2) as two:
        ended = [*two.map(lambda _: checkout.run("preview", "--stack", "new"), range(2))]
    for done in ended:
        assert done.returncode == 0, done.stdout
        assert "already exists" not in done.stdout


def test_two_demos_in_one_folder_do_not_take_each_other_s_state(checkout: Checkout) -> None:
    first = Command(checkout, "demo", "--workspaces", "5")
    first.says("emulated Coder on")
    second = checkout.run("demo", "--workspaces", "5")
    assert second.returncode == 1
    assert "Another demo is under way in this folder. Run this one when it has ended." in second.stderr
    assert first.ended() == 0
