"""docs/messages.md and the messages in the source: each has its row, and each row is one that the source has."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from messages import GAP, ROOT, sites, template, texts, told, trees

PAGE = (ROOT / "docs" / "messages.md").read_text()

ROWS = [found[1].strip() for found in re.findall(r"^\| (`+)(.+?)\1 \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE)]

ELSEWHERE = {
    # Where the message is made by something else: the rows that it has.
    "'\\n'.join((otherwise, *wrong, 'Nothing was read or written.'))": [
        "live cannot start with this environment",
        "The service cannot start with this environment",
        "A release in the environment is no number:",
    ],
    "message": [],  # the errors of Coder and Port hand on what the client says
    "what": ["Port refused …"],
    "told": ["Port at … cannot be reached", "Port answered …"],
    "lost": ["Port's answer …"],
    "not_read(account.unread)": ["Not read: … Coder failed at that, …"],
    "verdict.text()": ["Port already holds … that … would write"],
    "_WITHOUT_GO": ["There is no Pulumi CLI, and Go"],
    "self._failure(process.returncode)": ["Go could not build the Pulumi CLI"],
    "explained(stack, (), this_machine())": ["The stack … is locked, nothing was done"],
    "explained(stack, found, machine)": ["The stack … is locked, nothing was done"],
    "explained(self.name, (), this_machine())": ["The stack … is locked, nothing was done"],
    "_unknown(name, await integrations.all(), settings)": ["Port has no integration …"],
    "report([problem], stack, namespaces=spaces)": ["A setting of this stack is wrong:"],
    "report(problems, stack, from_there, namespaces)": [
        "A setting of this stack is wrong:",
        "Settings of this stack are wrong or missing:",
    ],
    "'\\n'.join(['These are needed, and there is no terminal to ask at:', *lines, 'Nothing was written.'])": [
        "These are needed, and there is no terminal to ask at"
    ],
    "'\\n'.join(['What was given cannot be used:', *lines, 'Nothing was written.'])": ["What was given cannot be used"],
    "self.wrong_types(wrong, printed)": ["A setting of this stack is wrong:"],
    "self.project": ["The project … has no stack … in …"],
}

TOLD_ELSEWHERE = {
    # The same for what ends no command.
    "DECLINED": ["Nothing was applied: you did not say yes."],
    "breadth.text": [
        "The token does not see all … of …",
        "The token may not open dormant workspaces of …",
        "Only organizations that the token belongs to are visible",
    ],
    "f'{_SAID[ended].format(run=run_id)}\\n{cost}'": [
        "Run … ended with SUCCESS.",
        "Run … ended with FAILURE",
        "Run … had ended already",
        "Port has no run … of one of coderport's actions",
        "Run … waits for an approval in Port",
    ],
    "str(interrupted)": ["Ended by …"],
    "f\"{number}{(f' ({told})' if told else '')}.\"": [],  # counts of entities, by whose they are
    "*passed_over": [],  # the end of "There is no Pulumi CLI that fits."
    "finding": [],  # of conformance: its own page has them
    "reason": [],  # of a value that is asked for, by the settings' own checks
}

HANDED_ON = {
    # Each is one of the texts that are found where it is made.
    "str(error)", "outcome.message", "text", "said", "each", "note", "notes", "compared.plan.notes", "*tally.warnings",
    "stack.healed", "_state.told", "_without_colours(diagnostic.message).strip()",
}  # fmt: skip

OF_RUNS = {"Refused", "Failed", "CoderAway", "Stopped"}
"""They end a run of an action, whose log in Port has them, and no command."""

NEVER_SEEN = {"Unsupported"}
"""The engine's own protocol: it asks for what our provider does not declare."""


@cache
def pattern_of(row: str) -> re.Pattern[str]:
    return re.compile("^ *" + re.escape(row).replace(re.escape(GAP), ".*?"), re.MULTILINE | re.DOTALL)


def fits(row: str, text: str) -> bool:
    """Whether a row is the beginning of a line of the text; a gap of the row is whatever stands there."""
    return pattern_of(row).search(text) is not None


def rowless(text: str) -> bool:
    return not any(fits(row, text) for row in ROWS)


def test_every_message_that_a_command_ends_with_has_a_row() -> None:
    found = [each for each in sites() if each.error not in OF_RUNS | NEVER_SEEN]
    assert len(found) > 100
    missing = [f"{each.where}: {each.text}" for each in found if each.text is not None and rowless(each.text)]
    assert not missing, "\n".join(missing)


def test_every_message_that_is_made_elsewhere_has_its_rows() -> None:
    made = {each.made for each in sites() if each.text is None and each.error not in OF_RUNS | NEVER_SEEN}
    assert made == set(ELSEWHERE), made ^ set(ELSEWHERE)
    assert {row for rows in ELSEWHERE.values() for row in rows} <= set(ROWS)


def test_every_note_warning_wait_and_finding_has_a_row() -> None:
    found = list(told())
    missing = {f"{each.where}: {each.text}" for each in found if each.text is not None and rowless(each.text)}
    assert not missing, "\n".join(sorted(missing))
    for room in ("doctor", "planning", "kinds", "program", "transport", "terminal", "live", "runner", "commands"):
        assert any(each.where.startswith(f"coderport/{room}/") for each in found), room


def test_every_note_that_is_made_elsewhere_has_its_rows() -> None:
    made = {each.made for each in told() if each.text is None}
    assert made == set(TOLD_ELSEWHERE) | HANDED_ON, made ^ set(TOLD_ELSEWHERE) ^ HANDED_ON
    assert {row for rows in TOLD_ELSEWHERE.values() for row in rows} <= set(ROWS)


@pytest.mark.parametrize(
    ("folder", "function", "argument"), [("coderport/engine/", "_kind", 1), ("coderport/guard/", "listed", 0)]
)
def test_what_pulumi_and_the_guard_say_has_rows(folder: str, function: str, argument: int) -> None:
    calls = [
        node.args[argument]
        for where, tree in trees().items()
        if where.startswith(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function
    ]
    told = [text for each in calls if (text := template(each))]
    assert len(told) >= 6
    assert not [text for text in told if rowless(text)]


def test_every_row_is_of_a_message_that_there_is() -> None:
    assert len(ROWS) > 100 and len(set(ROWS)) >= len(ROWS) - 1  # Coder and Port share one
    stale = [row for row in ROWS if not any(fits(row, text) for text in texts())]
    assert not stale, stale


def test_a_message_without_a_row_is_found() -> None:
    assert rowless("Something new went wrong with …") and not rowless("Port refused … of …: 422 …")
