"""The command `why`."""

from __future__ import annotations

import json
from typing import Any

from coderport.commands.consoles import people
from coderport.planning.notes import said_of
from coderport.stack.stack import Stack
from coderport.terminal.remedy import runnable_here
from coderport.terminal.text import json_line, line
from coderport.why.answer import answers
from coderport.why.gathering import gathered
from coderport.why.statement import Answer


def explain(stack: Stack, asked: str, *, as_object: bool) -> int:
    """Shows what there is to say; the exit code is 1 where nothing is called so, and where a read failed for a part."""
    knowledge = gathered(stack, asked)
    found = answers(knowledge, asked)
    if as_object:
        print(json_line(json.dumps({"answers": [_told(each) for each in found]})))
    else:
        console = people()
        for answer in found:
            console.print(line(f"{answer.kind} {answer.title} {answer.identifier}".strip()), style="bold")
            for each in answer.statements:
                console.print(f"  {each.topic:<9} {each.said}")
    for text in (unread := (*said_of(knowledge.read.failures), *knowledge.unreadable)):
        people(stderr=True).print(text, style="yellow")
    return 0 if any(each.kind for each in found) and not unread else 1


def _told(answer: Answer) -> dict[str, Any]:
    """The answer for machines; the commands that it names are those that run here."""
    statements = tuple(each.model_copy(update={"said": runnable_here(each.said)}) for each in answer.statements)
    return answer.model_copy(update={"statements": statements}).model_dump(mode="json")
