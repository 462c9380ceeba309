"""The protections of `live`, each with the way to switch it off and the test that has to die without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import test_live_follows as follows
import test_live_refused as refusals
import test_live_rules as rules
import test_live_spending as spendings
import test_live_standing as standings

from coderport.coder.fate import Fate
from coderport.coder.reading import proof
from coderport.guard.allowance import LetGo
from coderport.guard.deletions import Disappearances
from coderport.live import (
    beginning,
    budget,
    catalog,
    deleting,
    identity,
    ledger,
    others,
    refused,
    rereading,
    servers,
    standing,
    writing,
)
from coderport.live.values import Reading
from coderport.program import survey

Switch = Callable[[], AbstractContextManager[object]]


@contextmanager
def _believes_404() -> Iterator[None]:
    """What Coder does not show counts as deleted."""
    real = proof.workspace_fates

    async def guessed(*arguments: Any) -> Any:
        found = await real(*arguments)
        return {key: Fate.GONE if fate is Fate.UNPROVEN else fate for key, fate in found.items()}

    with mock.patch("coderport.live.reading.workspace_fates", guessed):
        yield


@contextmanager
def _no_reread() -> Iterator[None]:
    """The re-read finds nothing."""

    async def nothing(self: rereading.Rereading, name: str, events: Any) -> Any:
        self._urgent.pop(name, None)
        return Reading(0.0), ()

    with mock.patch.object(rereading.Rereading, "read", nothing):
        yield


@contextmanager
def _takes_older_answers() -> Iterator[None]:
    """An older answer is taken like a newer one."""
    with mock.patch.object(catalog.Catalog, "_newest", lambda *_: True):
        yield


@contextmanager
def _blind_to_others() -> Iterator[None]:
    """Nobody looks at what others write to Port."""

    async def nothing(self: others.Others) -> tuple[()]:
        return ()

    with mock.patch.object(others.Others, "look", nothing), mock.patch.object(others.Others, "sweep", nothing):
        yield


@contextmanager
def _no_limit() -> Iterator[None]:
    """All that Coder deleted goes, however much it is."""

    def anything(self: deleting.Deletions, blueprint: str, found: Mapping[Any, Any], *_: Any) -> list[Any]:
        return sorted(found)

    with mock.patch.object(deleting.Deletions, "permitted", anything):
        yield


@contextmanager
def _no_budget() -> Iterator[None]:
    """Requests do not wait for their turn."""
    with mock.patch.object(budget.Budget, "_pause", lambda *_: 0.0):
        yield


@contextmanager
def _forgets_failed_writes() -> Iterator[None]:
    """What Port has not taken is not tried again."""
    with mock.patch.object(writing.Writer, "_back", lambda self: None):
        yield


@contextmanager
def _writes_over_others() -> Iterator[None]:
    """Entities of others are written over."""
    with mock.patch.object(catalog.Catalog, "is_ours", lambda self, held: True):
        yield


@contextmanager
def _any_coder() -> Iterator[None]:
    """Whatever Coder answers is taken for the one that it was."""

    async def fine(self: identity.Identity, *_: object) -> None:
        """Nothing is insisted on."""

    with (
        mock.patch.object(identity.Identity, "insist_on", fine),
        mock.patch.object(identity.Identity, "insist_on_deployment", fine),
        mock.patch.object(identity.Identity, "insist_on_progress", lambda *_: None),
    ):
        yield


@contextmanager
def _any_stack() -> Iterator[None]:
    """It writes whatever run came last."""
    with mock.patch.object(beginning, "insist_on_fit", lambda *_: None):
        yield


@contextmanager
def _absent_count() -> Iterator[None]:
    """A run counts as deletions what `live` has deleted already."""

    def needs(kind: Disappearances) -> bool:
        return len(kind.gone) > kind.limit

    with mock.patch.object(Disappearances, "needs_release", property(needs)):
        yield


@contextmanager
def _no_pause() -> Iterator[None]:
    """What Port has refused is sent again at once, and looked at again each time."""
    with (
        mock.patch.object(refused.Refused, "waits", lambda *_: False),
        mock.patch.object(refused.Refused, "may_lead_to_another_look", lambda *_: True),
    ):
        yield


@contextmanager
def _never_again() -> Iterator[None]:
    """What Port has refused once is not tried again."""
    with mock.patch.object(refused.Refused, "due", lambda *_: ()):
        yield


@contextmanager
def _any_blueprint() -> Iterator[None]:
    """Blueprints are compared at the beginning alone."""
    with mock.patch.object(standing, "blueprint_misfits", lambda *_: iter(())):
        yield


@contextmanager
def _writes_without_a_look() -> Iterator[None]:
    """Nobody looks for a run before a write."""

    async def nothing(self: standing.Standing) -> None:
        """Nothing is insisted on."""

    with mock.patch.object(standing.Standing, "insisted", nothing):
        yield


@contextmanager
def _looks_at_no_run() -> Iterator[None]:
    """The stack is looked at only before a write."""

    async def nothing(self: standing.Standing) -> None:
        await asyncio.Event().wait()

    with mock.patch.object(standing.Standing, "watched", nothing):
        yield


@contextmanager
def _forgets_what_it_revived() -> Iterator[None]:
    """What was written back after a run had removed it is like all else that lives in Coder."""
    with mock.patch.object(deleting.Deletions, "revived", lambda *_: None):
        yield


@contextmanager
def _keeps_nothing() -> Iterator[None]:
    """What went is known until the process ends."""

    async def nothing(self: ledger.Ledger, *_: object) -> None:
        """Nothing is read or kept."""

    with mock.patch.object(ledger.Ledger, "opened", nothing):
        yield


@contextmanager
def _overlooks_what_is_missing() -> Iterator[None]:
    """What the stack has declared and Port lacks does not count where nothing was kept."""
    with mock.patch.object(beginning, "_missing", lambda *_: LetGo()):
        yield


@contextmanager
def _counts_nothing_as_spent() -> Iterator[None]:
    """Where nothing can be kept, each start has a new allowance."""
    with mock.patch.object(deleting.Deletions, "count_as_spent", lambda *_: None):
        yield


@contextmanager
def _runs_do_not_ask() -> Iterator[None]:
    """Runs know only what runs have spent."""
    with mock.patch.object(survey, "spent_by_live", lambda _: {}):
        yield


@contextmanager
def _does_not_hear_of_runs() -> Iterator[None]:
    """What runs spend while `live` runs does not count."""
    with mock.patch.object(deleting.Deletions, "runs_spent", lambda *_: None):
        yield


@contextmanager
def _keeps_its_clients() -> Iterator[None]:
    """Another token is taken only by a restart."""

    async def nothing(self: servers.Servers, *_: object) -> None:
        """Nothing is opened."""

    with mock.patch.object(servers.Servers, "renew", nothing):
        yield


PROTECTIONS: Mapping[str, tuple[Switch, Callable[[], None]]] = {
    "only 410 is a deletion": (_believes_404, rules.test_what_coder_does_not_show_stays),
    "everything is read again": (
        _no_reread,
        follows.test_what_no_feed_tells_is_found_by_the_re_read_and_counted_as_missed,
    ),
    "the value that was asked for later wins": (
        _takes_older_answers,
        rules.test_of_two_readings_the_one_that_was_asked_for_later_wins,
    ),
    "what others write is found": (
        _blind_to_others,
        rules.test_an_older_value_that_a_run_wrote_later_is_corrected_within_half_a_minute,
    ),
    "limits over time": (
        _no_limit,
        rules.test_more_deletions_than_a_run_may_make_are_held_and_the_rest_goes_on,
    ),
    "the budget": (_no_budget, rules.test_no_minute_has_more_requests_to_coder_than_the_budget),
    "a failed write is tried again": (
        _forgets_failed_writes,
        follows.test_what_port_could_not_take_is_written_once_it_can,
    ),
    "ownership": (_writes_over_others, rules.test_an_entity_of_somebody_else_is_left_alone),
    "it is the same Coder": (
        _any_coder,
        rules.test_a_coder_that_was_restored_from_a_backup_stops_it,
    ),
    "a run has declared the stack": (
        _any_stack,
        rules.test_until_a_run_has_declared_the_stack_it_writes_nothing_and_says_which_run,
    ),
    "what live deleted is no deletion of a run": (
        _absent_count,
        rules.test_a_run_after_a_day_of_live_finds_nothing_to_write_to_port,
    ),
    "what Port refuses waits": (
        _no_pause,
        refusals.test_a_template_that_port_refuses_and_its_workspaces_wait_for_their_pause,
    ),
    "what Port refused is tried again": (
        _never_again,
        refusals.test_what_port_refuses_to_delete_stops_no_other_and_goes_later,
    ),
    "blueprints are compared again": (
        _any_blueprint,
        refusals.test_a_changed_blueprint_is_found_within_resync_where_nothing_is_written,
    ),
    "a run is looked for before each write": (
        _writes_without_a_look,
        standings.test_what_a_run_with_narrower_filters_removed_is_not_written_back,
    ),
    "a run is looked for where nothing is written": (
        _looks_at_no_run,
        lambda: standings.run_is_noticed(leaves_traces=True, seconds=10),
    ),
    "what was revived goes again": (
        _forgets_what_it_revived,
        standings.test_where_runs_leave_no_trace_what_was_written_back_goes_again_within_a_minute,
    ),
    "what went is kept": (_keeps_nothing, lambda: spendings.restarts(lost=False)),
    "what is missing counts where nothing is kept": (
        _overlooks_what_is_missing,
        lambda: spendings.restarts(lost=True),
    ),
    "where nothing can be kept all counts as spent": (
        _counts_nothing_as_spent,
        spendings.test_where_nothing_can_be_kept_it_says_so_and_a_start_counts_all_as_spent,
    ),
    "runs count what live let go": (
        _runs_do_not_ask,
        spendings.test_what_lives_in_coder_goes_within_the_limit_of_a_day_whoever_lets_it_go,
    ),
    "live counts what runs let go": (_does_not_hear_of_runs, spendings.test_what_a_run_lets_go_beside_it_counts),
    "another token is taken": (
        _keeps_its_clients,
        standings.test_another_token_and_another_budget_are_taken_without_a_restart,
    ),
}
