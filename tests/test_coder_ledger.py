"""What counts and sightings prove, worked through by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from coderport.coder.client import WorkspacePage
from coderport.coder.models import Workspace, read_as
from coderport.coder.reading.ledger import Ledger

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
OLD = NOW - timedelta(days=1)


def row(number: int, created: datetime = OLD) -> Workspace:
    one = f"{number:08x}-0000-4000-8000-000000000000"
    fields = ("id", "owner_id", "organization_id", "template_id")
    build = {"id": one, "build_number": 1}
    body = dict.fromkeys(fields, one) | {"name": f"w{number}", "latest_build": build}
    return read_as(Workspace, body | {"created_at": created.isoformat()})


class Reader:
    """A ledger, fed in the order in which things would happen."""

    def __init__(self) -> None:
        self.ledger = Ledger[Workspace]()

    def counts(self, count: int, *rows: Workspace, at: datetime | None = NOW) -> Reader:
        self.ledger.counted(WorkspacePage(rows, count, at), self.ledger.asking())
        return self

    def sees(self, *rows: Workspace) -> Reader:
        self.ledger.saw(rows, self.ledger.asking())
        return self

    @property
    def short(self) -> int:
        return self.ledger.short


def test_nothing_is_proven_before_two_counts() -> None:
    assert Reader().short == 1
    assert Reader().counts(1, row(1)).short == 1


def test_one_statement_that_holds_as_many_as_it_counts_is_whole() -> None:
    assert Reader().counts(2).counts(2, row(1), row(2)).short == 0


def test_it_is_whole_even_if_all_rows_are_brand_new_once_seen_again() -> None:
    new = [row(1, NOW), row(2, NOW)]
    assert Reader().counts(2).counts(2, *new).short == 2
    assert Reader().counts(2).counts(2, *new).counts(2, *new).short == 0


def test_an_empty_deployment_is_whole() -> None:
    assert Reader().counts(0).counts(0).short == 0


def test_rows_in_parts_add_up_to_an_earlier_count() -> None:
    assert Reader().counts(3).counts(3, row(1)).sees(row(2)).sees(row(3)).counts(3).short == 0


def test_a_row_that_moved_out_of_every_page_leaves_it_short() -> None:
    assert Reader().counts(3).counts(3, row(1)).sees(row(2)).counts(3).short == 1


def test_a_deletion_and_a_creation_that_hide_a_missed_row_are_not_called_whole() -> None:
    # 1, 2, 3 exist; 1 is read and deleted, 4 is created and read, 3 is missed: three ids and a count of three.
    reader = Reader().counts(3).counts(3, row(1)).sees(row(2)).sees(row(4, NOW + timedelta(seconds=30)))
    assert len(reader.ledger.rows) == reader.counts(3).ledger.count == 3
    assert reader.short == 1


def test_a_row_created_around_the_count_is_not_taken_as_counted() -> None:
    # Stamped before the count and committed after it: it must not stand in for row 2.
    reader = Reader().counts(2).counts(2, row(1)).sees(row(3, NOW - timedelta(seconds=2)))
    assert reader.short == 1


def test_without_the_servers_clock_only_sightings_before_and_after_count() -> None:
    reader = Reader().counts(2, at=None).counts(2, row(1), at=None).sees(row(2))
    assert reader.short > 0
    reader.counts(2, row(1), at=None).counts(2, row(1), at=None).sees(row(2))
    assert reader.short == 0


def test_more_rows_than_counted_is_as_bad_as_fewer() -> None:
    assert Reader().counts(1).counts(1, row(1), row(2)).counts(1).short == 1


def test_one_count_that_happens_to_fit_is_not_believed_against_the_others() -> None:
    assert Reader().counts(3).counts(2, row(1), row(2)).counts(3).short == 1


def test_rows_created_while_reading_are_short_of_the_newest_count_until_read() -> None:
    reader = Reader().counts(1).counts(1, row(1)).counts(2)
    assert reader.short == 1
    reader.sees(row(2, NOW + timedelta(seconds=20)))
    assert reader.short == 0


def test_the_newest_sighting_of_a_row_wins() -> None:
    ledger = Ledger[Workspace]()
    first, second = ledger.asking(), ledger.asking()
    newer = row(1, NOW)
    ledger.saw([newer], second)
    ledger.saw([row(1)], first)
    assert ledger.rows == {newer.id: newer}
