"""The benchmark's own arithmetic: rows and their file, goals, tables and curves. Nothing is measured here."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as benchmark
from benchmarks import names, page
from benchmarks.catalog import Catalog
from benchmarks.curves import Curve, curves, svg
from benchmarks.errors import RivalMissing
from benchmarks.goals import goals, ratios
from benchmarks.live import Lags, lag_curve
from benchmarks.measuring import writes_entities
from benchmarks.names import figure
from benchmarks.processes import PROGRAM
from benchmarks.rows import RATIO, Figures, Results, Row, judged, read
from coderport.engine import CliInfo

ROOT = Path(__file__).resolve().parents[1]


def rows(seconds: dict[int, dict[str, float]]) -> list[Row]:
    """Wall-clock rows by size and case."""
    return [
        Row(figure(case, names.WALL), size, value, "s")
        for size, cases in seconds.items()
        for case, value in cases.items()
    ]


def goal(found: list[Row], what: str) -> Row:
    (row,) = (each for each in found if each.name.endswith(what))
    return row


def test_the_page_shows_the_committed_results() -> None:
    results = read(ROOT / "benchmarks" / "results" / "latest.json")
    assert page.between_marks(ROOT / "docs" / "scale.md") == page.markdown(results)


def test_a_goal_is_met_up_to_its_limit() -> None:
    assert judged("x", 10, 1.15, "×", 1.15).met
    assert judged("x", 10, 1.151, "×", 1.15).met is False


def test_each_row_is_in_the_file_at_once_and_stands_in_for_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = Results(path, fresh=True)
    results.put([Row("a", 10, 1.0, "s"), Row("a", 20, 2.0, "s")])
    results.put([Row("a", 10, 3.0, "s")])
    assert sorted((row.workspaces or 0, row.value) for row in read(path)) == [(10, 3.0), (20, 2.0)]
    again = Results(path, fresh=False)
    again.put([judged("b", 10, 1, "s", 2)])
    assert [row.met for row in read(path)] == [None, None, True]


def test_what_was_judged_by_other_rules_does_not_stay(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json", fresh=True)
    results.put([Row("a", 10, 1.0, "s"), judged("old goal", 10, 1, "s", 2), Row(f"{RATIO}old", 10, 3.0, "×")])
    results.put_judged([judged("goal", 10, 1, "s", 2)])
    assert [row.name for row in results] == ["a", "goal"]


def test_ratios_are_judged_at_ten_thousand_and_growth_over_all_sizes() -> None:
    changed = {names.READS: 4.0, names.BARE: 16.0, names.SYNC_CHANGED: 27.0}
    main = {names.FIRST: 90.0, names.IDLE_FIRST: 80.0, **changed}
    measured = rows({1_000: {names.FIRST: 10.0}, 10_000: main, 20_000: {names.FIRST: 190.0}})
    found = goals(Figures(measured))
    assert (goal(found, "that does nothing").value, goal(found, "that does nothing").met) == (1.125, True)
    beside_bare = goal(found, "both reads and a bare CLI")
    assert (beside_bare.workspaces, beside_bare.value, beside_bare.met) == (10_000, 1.35, False)
    assert goal(found, "beside that at 1,000").value == 0.95
    assert not [row for row in found if "at once" in row.name], "what was not measured is not judged"


def test_the_limit_of_writes_is_the_arithmetic_one_and_a_twentieth() -> None:
    measured = [
        *rows({10_000: {names.FIRST: 90.0}}),
        Row(figure(names.FIRST, names.ENTITY_WRITES), 10_000, 529, "requests"),
    ]
    row = goal(goals(Figures(measured)), "writes of entities")
    assert (row.goal, row.met) == (528, False)


def test_a_write_of_entities_is_told_from_a_read_and_from_other_writes() -> None:
    assert writes_entities("POST /v1/blueprints/{blueprint}/entities/bulk")
    assert writes_entities("POST /v1/blueprints/{blueprint}/bulk/entities/delete")
    assert writes_entities("DELETE /v1/blueprints/{blueprint}/entities/{entity}")
    assert not writes_entities("POST /v1/blueprints/{blueprint}/entities/search")
    assert not writes_entities("GET /v1/blueprints/{blueprint}/entities/{entity}")
    assert not writes_entities("POST /v1/blueprints")


def test_what_was_extrapolated_says_so() -> None:
    measured = [
        *rows({1_000: {names.FIRST: 10.0, names.ONE_BY_ONE: 52.5}, 20_000: {names.FIRST: 180.0}}),
        Row(figure(names.ONE_BY_ONE, names.EXTRAPOLATED), 20_000, 1_002.5, "s"),
    ]
    table = page.measured_table(measured)
    assert table[0][:3] == ["", "1,000", "20,000"]
    assert [line[:3] for line in table if line[0] == names.ONE_BY_ONE] == [[names.ONE_BY_ONE, "52.5", "≈ 1,002"]]


def test_without_results_the_page_says_how_to_get_them() -> None:
    assert "make bench" in page.markdown([])
    assert goals(Figures([])) == ratios(Figures([])) == []


def test_memory_is_that_of_the_program_and_not_of_the_engine() -> None:
    measured = [
        *rows({10_000: {names.FIRST: 90.0, names.AT_ONCE: 90.0}}),
        Row(figure(names.FIRST, names.memory(PROGRAM)), 10_000, 300.0, "MB"),
        Row(figure(names.FIRST, names.memory("engine")), 10_000, 2_000.0, "MB"),
        Row(figure(names.AT_ONCE, names.memory(PROGRAM)), 10_000, 1_000.0, "MB"),
    ]
    assert goal(goals(Figures(measured)), "memory, beside everything at once").value == 0.3


def test_the_changed_entities_are_those_that_are_new_or_otherwise() -> None:
    before = Catalog((), ({"identifier": "a", "title": "A"}, {"identifier": "b", "title": "B"}))
    after = Catalog((), ({"identifier": "a", "title": "A"}, {"identifier": "b", "title": "C"}, {"identifier": "c"}))
    assert after.changed_since(before).changed == ("b", "c")


def test_a_drawing_has_every_curve_inside_of_its_frame_and_no_two_labels_on_one_place() -> None:
    drawn = [
        Curve("a", ((1_000, 2.0), (20_000, 9.0))),
        Curve("b & c", ((1_000, 2.1), (20_000, 9.1))),
        Curve("beside", ((1_000, 52.0), (10_000, 502.0)), beside=True),
    ]
    root = ElementTree.fromstring(svg("Title", "s", drawn))
    space = "{http://www.w3.org/2000/svg}"
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    lines = root.findall(f"{space}polyline")
    points = [point.split(",") for line in lines for point in line.attrib["points"].split()]
    assert len(lines) == 3 and all(0 < float(x) < width and 0 < float(y) < height for x, y in points)
    labels = [each for each in root.findall(f"{space}text") if each.attrib.get("class", "").startswith("f")]
    assert [each.text for each in labels] == ["a: 9 s", "b & c: 9.1 s", "beside: 502 s"]
    places = sorted(float(each.attrib["y"]) for each in labels)
    assert all(after - before >= 16.9 for before, after in pairwise(places))


def test_curves_are_made_of_what_was_measured() -> None:
    measured = rows({1_000: {names.SYNC: 2.0}, 10_000: {names.SYNC: 5.0, names.FIRST: 80.0}})
    assert curves(measured, names.WALL) == [
        Curve("first up", ((10_000.0, 80.0),)),
        Curve("sync, no change", ((1_000.0, 2.0), (10_000.0, 5.0))),
    ]


def test_goals_are_judged_only_at_the_size_that_they_are_set_for() -> None:
    small = rows({200: {names.FIRST: 10.0, names.IDLE_FIRST: 1.0}, 1_000: {names.FIRST: 10.0, names.IDLE_FIRST: 1.0}})
    small.append(Row(figure(names.LIVE, names.LAG_MOST), 300, 30.0, "s"))
    assert [each.name for each in goals(Figures(small)) if "beside that at" not in each.name] == []


def test_with_real_prices_a_command_is_judged_beside_what_it_was_and_a_sync_beside_both_reads() -> None:
    cases = (names.FIRST, names.AGAIN, names.SYNC_CHANGED)
    main = {name(each): seconds for each in cases for name, seconds in ((names.priced, 6.0), (names.before, 10.0))}
    sync = {names.priced(names.SYNC): 3.0, names.priced(names.READS): 2.4}
    found = goals(Figures(rows({1_000: sync, 10_000: {**main, **sync}})))
    beside = [(each.name, each.value, each.met) for each in found if names.REVISION in each.name]
    assert [each[1:] for each in beside] == [(0.6, False), (0.6, True), (0.6, True)]
    assert [(each.workspaces, each.value, each.met) for each in found if "one read" in each.name] == [
        (1_000, 1.25, False),
        (10_000, 1.25, False),
    ]


def test_the_lag_of_live_is_judged_at_ten_thousand() -> None:
    found = goals(Figures([Row(figure(names.LIVE, names.LAG_MOST), 10_000, 2.5, "s")]))
    assert [(each.value, each.goal, each.met) for each in found] == [(2.5, 2.0, False)]


def test_the_curve_of_the_lag_is_a_drawing_of_shares() -> None:
    live, looped = (Lags([begin + 0.01 * each for each in range(100)]) for begin in (0.5, 12.0))
    text = "".join(ElementTree.fromstring(lag_curve({"live": live, "a sync in a loop": looped})).itertext())
    assert all(each in text for each in ("one of so many", "live", "a sync in a loop"))


def test_a_rival_that_cannot_be_had_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise RivalMissing("there is no Python for it")

    extent = replace(benchmark.SMALL, results=tmp_path / "small.json")
    monkeypatch.setattr(benchmark, "SMALL", extent)
    monkeypatch.setattr(benchmark, "ROOT", tmp_path)
    monkeypatch.setattr(benchmark, "drop_real_life", lambda environment: None)
    monkeypatch.setattr(benchmark, "obtain_cli", lambda say: CliInfo(tmp_path, "3", ""))
    monkeypatch.setattr(benchmark, "ocean", missing)
    monkeypatch.setattr("sys.argv", ["benchmarks", "--small", "--only", "ocean"])
    assert benchmark.main() == 0
