"""Writes what the program prints into README.md and docs/*.md: `.venv/bin/python scripts/write_outputs.py`.

Each block stands between `<!-- output: NAME -->` and `<!-- end of output -->`. They come from one story that is really
played: emulators, the real engine, a first run, changes in Coder, a hand edit in Port, a `sync`. A test plays it again
and compares. What the demo prints, the interruptions, the examples of the library and what was measured have scripts
and tests of their own.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?<=<!-- output: )([\w-]+)( -->\n\n)(.*?)(?=\n<!-- end of output -->)", re.DOTALL)
VARYING = {
    r"\d+\.\d s": "# s",
    r"\d{8}T\d{6}Z-[0-9a-f]{6}": "RUN",
    r"\d{4}-\d\d-\d\d[ T]\d\d:[\d:.]+Z?": "TIME",
    r"\d+ requests": "# requests",
}
"""What differs from one time to the next, and stands for it where two are compared."""
_STACK = "prod"
_WIDTH = 120


def printed(folder: Path) -> dict[str, str]:
    """The blocks by name, from the story played in that folder."""
    sys.path.insert(0, str(ROOT))
    from coderport.commands.demo import ACTIONS, isolated_stack
    from coderport.commands.drift import reported
    from coderport.commands.history import kept_runs, undo
    from coderport.commands.ls import list_kind
    from coderport.commands.sync import preview, sync
    from coderport.emulators.pair import Pair
    from coderport.engine import obtain_cli
    from coderport.history.screen import show_history, show_undo
    from coderport.kinds.all import KIND_OF
    from coderport.listing.query import Query
    from coderport.terminal.progress import Lines, watched

    blocks: dict[str, str] = {}
    with Pair(workspaces=40, templates=6, seed=7) as pair:
        stack = isolated_stack(_STACK, folder, pair, obtain_cli(print))
        stack.configure({"actions": ACTIONS})

        first = preview(stack)
        blocks["plan"] = _changes(*first, whole=False)
        blocks["plan-created"] = _begun(_changes(*first, whole=True), "workspaces created")

        def run(console: Console) -> None:
            with watched(Lines(console)):
                outcome, _ = stack.up()
            _expect(outcome.result == "converged", outcome.message)

        *reads, judging, declaring = _on_console(run).splitlines(keepends=True)
        blocks["log"] = "".join([*sorted(reads, reverse=True), judging, declaring])  # the reads end in any order

        gone, edited, *_ = sorted(pair.coder.workspace_ids(), key=lambda each: _title(pair.coder, each))
        pair.coder.delete_workspace(gone)
        pair.port.put_entity("coder_workspace", {"identifier": edited, "title": "by hand"}, by="grace@example.com")
        blocks["plan-all"] = _changes(*preview(stack), whole=True)
        blocks["drift"] = _typed("drift", _on_console(lambda console: reported(stack, console, repair=False)))

        outcome, _ = sync(stack)
        _expect(outcome.result == "converged", outcome.message)
        records = kept_runs(stack)
        blocks["history"] = _typed("history", _on_console(lambda console: show_history(records, console)))
        name = records[0].run
        undone = undo(stack, name, apply_it=False)
        again = f"python -m coderport undo {name} --stack {_STACK} --apply"
        shown = _on_console(lambda console: show_undo(undone, console, command=again))
        blocks["undo"] = _typed(f"undo {name}", shown)

        listed = StringIO()
        with redirect_stdout(listed), redirect_stderr(StringIO()):
            list_kind(stack, KIND_OF["coder_workspace"], Query(("status=failed",)), as_object=False)
        blocks["listing"] = _typed("ls workspace", listed.getvalue(), " --where status=failed")
    blocks["claimed"] = _claimed()
    return blocks


def _changes(outcome: Any, tally: Any, *, whole: bool) -> str:
    """The lines of the changes alone, as a preview shows them."""
    from coderport.commands.acts import show

    text = _on_console(lambda console: show(outcome, tally, console, whole=whole))
    return "".join(line for line in text.splitlines(keepends=True) if re.match(r" {2,8}\S", line))


def _begun(text: str, heading: str) -> str:
    """What stands below that heading, cut after its first lines."""
    lines = text.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.rstrip().endswith(heading))
    return "".join([*lines[at : at + 6], "        …\n"])


def _claimed() -> str:
    """The refusal of a stack that claims what two others hold."""
    from coderport.catalog.values import Entity
    from coderport.guard.ownership import MANAGED_BY, Mark, Owner
    from coderport.guard.verdict import ownership_verdict
    from coderport.port.models import PortEntity

    kind, held, wanted = "coder_template", {}, []
    for number, (title, organization, holder) in enumerate(
        (
            ("Kubernetes", "platform", "prod-platform"),
            ("Java services", "platform", "prod-platform"),
            ("Android", "mobile", "prod-rest"),
        )
    ):
        identifier = f"{number}e3b9c1d-0000-4000-8000-000000000000"
        mark = str(Mark(f"coderport/{holder}", "1f2e3d4c"))
        wanted.append(Entity(kind, identifier, title, {"organization_name": organization}, {}))
        held[identifier] = PortEntity(identifier, kind, title, properties={MANAGED_BY: mark})
    owner = Owner(Mark("coderport/prod-two", "5a6b7c8d"))
    return ownership_verdict(wanted, {kind: held}, owner=owner, take_over=False).text() + "\n"


def _on_console(show: Callable[[Console], object]) -> str:
    file = StringIO()
    show(Console(file=file, width=_WIDTH, highlight=False, markup=False, emoji=False, soft_wrap=True))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _typed(command: str, said: str, more: str = "") -> str:
    return f"$ python -m coderport {command} --stack {_STACK}{more}\n{said}"


def _title(coder: Any, identifier: str) -> str:
    workspace = coder.workspace(identifier)
    return f"{coder.user(workspace.owner_id).username}/{workspace.name}"


def _expect(true: bool, message: str) -> None:
    if not true:
        sys.exit(f"The story went otherwise: {message}")


def blocks_of(page: str) -> Iterator[tuple[str, str]]:
    """The name and the text of each block of a page."""
    for found in BLOCK.finditer(page):
        yield found[1], "".join(f"{line[4:]}\n" for line in found[3].splitlines())


def written(page: str, blocks: Mapping[str, str]) -> str:
    """The page with the blocks as they were printed."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}" + "".join(
            f"    {line}".rstrip() + "\n" for line in blocks[found[1]].splitlines()
        )

    return BLOCK.sub(block, page)


def comparable(text: str) -> list[str]:
    """The lines without what differs from one time to the next."""
    for pattern, word in VARYING.items():
        text = re.sub(pattern, word, text)
    return [line.rstrip() for line in text.splitlines()]


def main() -> None:
    """Plays the story and writes the pages that have something of it."""
    sys.path.insert(0, str(ROOT))
    from coderport.engine import drop_real_life
    from coderport.transport.loopback import drop_network

    drop_real_life(os.environ)
    drop_network(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        blocks = printed(Path(folder))
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = written(before, blocks)
        if comparable(after) != comparable(before):
            page.write_text(after, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
