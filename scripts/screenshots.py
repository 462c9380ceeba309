"""Takes the pictures in docs/pictures anew: `.venv/bin/python scripts/screenshots.py`.

They show the page of the emulated pair after a first run and one action, and the comment that a pull request gets from
a preview of what then happens in Coder, in a Chromium without a window. Beside them stands a digest of what they are
made of; a test compares it, so that a change of anything that they show asks for new pictures.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
DIGEST = PICTURES / "made-of.txt"
NAMES = ("catalog", "workspace", "form", "run", "dashboard", "comment")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MADE_OF = ("scripts/screenshots.py", "coderport/emulators/page")
_TEXTS = (
    "coderport/runner/operations.py",
    "coderport/runner/building.py",
    "coderport/runner/following.py",
    "coderport/emulators/coder/people.py",
    "coderport/emulators/coder/seed.py",
    "coderport/emulators/coder/builds.py",
)
"""Of these the pictures show texts: what a run says, and what the emulated Coder has."""
_PERSON = "anna.lindqvist@example.com"
_MILLISECONDS = 60_000
_REPORT = "https://github.com/acme/portal/actions/runs/7/artifacts/9"
_STYLE = """
body{margin:24px;font:14px "Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;color:#1f2328;background:#fff}
#comment{width:820px;border:1px solid #d1d9e0;border-radius:6px;padding:0 16px 12px}
#who{margin:0 -16px 12px;padding:8px 16px;background:#f6f8fa;border-bottom:1px solid #d1d9e0;color:#59636e}
#who b{color:#1f2328} h3{font-size:17.5px} a{color:#0969da}
table{border-collapse:collapse} th,td{border:1px solid #d1d9e0;padding:6px 13px} tr:nth-child(2n){background:#f6f8fa}
pre{background:#f6f8fa;border-radius:6px;padding:16px;overflow:auto;line-height:1.45}
code{font:12px ui-monospace,"DejaVu Sans Mono",monospace} h3 code{background:#eff1f3;padding:2px 5px;border-radius:6px}
.more{color:#116329;background:#dafbe1} .less{color:#82071e;background:#ffebe9} details{margin:12px 0}
"""


def chromium() -> str | None:
    """The path of this machine's Chromium or Chrome."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def digest() -> str:
    """The SHA-256 of all that the pictures show: this script and the page (its bundle and what answers it) as they
    are written, the catalog, forms and dashboards as they are declared, a comment as it is written, texts of runs.
    """
    found = hashlib.sha256()
    for place in _MADE_OF:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    for shown in (shown_of_the_catalog(), shown_of_the_comment(), *map(_texts, _TEXTS)):
        found.update(json.dumps(shown, sort_keys=True, default=str).encode() + b"\0")
    return found.hexdigest()


def shown_of_the_catalog() -> dict[str, Any]:
    """The blueprints, the actions with a template's own form, and the answers of the stack that is pictured."""
    sys.path.insert(0, str(ROOT))
    from coderport.catalog.actions import declared as actions
    from coderport.catalog.actions.values import to_port
    from coderport.catalog.answers.declared import declared as answers
    from coderport.catalog.answers.values import Part
    from coderport.catalog.blueprint import to_port as blueprint_to_port
    from coderport.coder.models import Template
    from coderport.coder.parameters import RichParameter, TemplateForm
    from coderport.commands.demo import ACTIONS
    from coderport.kinds.all import blueprints_of, kinds_of
    from coderport.settings import Actions

    moment, nobody = "2026-11-27T12:00:00Z", "00000000-0000-0000-0000-000000000000"
    ids = dict.fromkeys(("id", "organization_id", "active_version_id", "created_by_id"), nobody)
    texts = {"name": "python-data-science", "organization_name": "coder", "created_by_name": "admin"}
    template = Template.model_validate({**ids, **texts, "created_at": moment, "updated_at": moment})
    parameters = tuple(
        RichParameter.model_validate({"name": kind, "type": kind, "mutable": True, "default_value": value})
        for kind, value in (("string", "a"), ("number", "2"), ("bool", "true"), ("list(string)", '["a"]'))
    )
    form = TemplateForm(template.id, template.active_version_id, parameters)
    made = actions.declared(Actions.model_validate(ACTIONS), [template], {template.id: form}, deployment_id=nobody)
    return {
        "blueprints": [blueprint_to_port(each) for each in blueprints_of(kinds_of("default"))],
        "actions": [to_port(each) for each in made],
        "answers": [(each.kind, each.identifier, each.body) for each in answers(get_args(Part), {nobody: "coder"}, 5)],
    }


def shown_of_the_comment() -> str:
    """The comment on a preview of each kind of change."""
    sys.path.insert(0, str(ROOT))
    from coderport.report.comment import comment

    changes = [
        {"operation": "deleted", "kind": "workspace", "identifier": "d", "title": "anna/dev",
         "why": "deleted in Coder"},
        {"operation": "created", "kind": "workspace", "identifier": "c", "title": "anna/new"},
        {"operation": "adopted", "kind": "workspace", "identifier": "a", "title": "anna/had"},
        {"operation": "updated", "kind": "workspace", "identifier": "u", "title": "anna/api", "details": ["status"],
         "values": {"status": ["running", "stopped"]}},
        {"operation": "updated", "kind": "action", "identifier": "f", "title": "Stop", "findings": ["its title"]},
    ]  # fmt: skip
    counts = {"created": 1, "adopted": 1, "updated": 1, "deleted": 1, "released": 0, "unchanged": 8}
    said = {"result": "changes", "kinds": {"workspace": counts}, "changes": changes}
    return comment("demo", 0, f"reading\n{json.dumps(said)}\n", "", _REPORT)


def _texts(place: str) -> list[str]:
    """The texts in a module, without its docstrings: what it shows, however it is written."""
    tree = ast.parse((ROOT / place).read_text(encoding="utf-8"))
    alone = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    constants = (each for each in ast.walk(tree) if isinstance(each, ast.Constant) and id(each) not in alone)
    return [each.value for each in constants if isinstance(each.value, str)]


def main() -> None:
    """Starts the pair, fills Port with the real engine, and clicks from view to view."""
    sys.path.insert(0, str(ROOT))
    from playwright.sync_api import sync_playwright

    from coderport.commands.demo import stage, things_happen
    from coderport.engine import drop_real_life, engine_environment, obtain_cli
    from coderport.transport.loopback import drop_network

    path = chromium()
    if path is None:
        sys.exit("There is no Chromium on this machine. On Debian: apt-get install chromium")
    drop_real_life(os.environ)
    drop_network(os.environ)
    PICTURES.mkdir(parents=True, exist_ok=True)
    cli = obtain_cli(print)
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder), cli, workspaces=12, templates=4, page=True) as (pair, stack),
        sync_playwright() as playwright,
    ):
        outcome, _ = stack.up()
        if outcome.exit_code:
            sys.exit(outcome.message)
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-lcd-text"])
        page = browser.new_page(viewport={"width": 1200, "height": 640})
        page.set_default_timeout(_MILLISECONDS)
        page.goto(f"{pair.page_url}/")
        _take(page)
        stack.up()  # what the action has made
        things_happen(pair.coder)
        environment = engine_environment(os.environ, cli=cli.path, local_state=Path(folder))
        page = browser.new_page(viewport={"width": 900, "height": 900})  # the other one keeps the rules of its server
        page.set_content(_comment(Path(folder), stack.name, environment))
        page.locator("#comment").screenshot(path=PICTURES / "comment.png")
        browser.close()
    DIGEST.write_text(f"{digest()}\n", encoding="utf-8")


def _take(page: Any) -> None:
    """One picture of each view, in the order in which a newcomer meets them."""

    def shot(name: str) -> None:
        page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")  # nothing lights up in them

    port = page.locator("#port")
    page.get_by_label("You are").select_option(_PERSON)
    port.locator("tbody tr").nth(11).wait_for()
    shot("catalog")
    port.locator("tbody tr").first.get_by_role("link").first.click()
    port.get_by_text("Relations", exact=True).wait_for()
    shot("workspace")
    page.get_by_role("link", name="Self-service").click()
    port.get_by_role("button", name="Create Python data science").click()
    port.get_by_label("Name").fill("from-a-form")
    shot("form")
    port.get_by_role("button", name="Execute").click()
    port.locator("h2 .chip.SUCCESS").wait_for()
    shot("run")
    page.get_by_role("link", name="Coder: Coder").click()
    port.locator(".card").first.wait_for()
    shot("dashboard")


def _comment(folder: Path, stack: str, environment: dict[str, str]) -> str:
    """The comment of a real preview, written as the workflow does it, as GitHub would show it."""
    from markdown_it import MarkdownIt

    command = [sys.executable, "-m", "coderport"]
    preview = ["--cwd", str(folder), "preview", "--stack", stack, "--json"]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        code = subprocess.run([*command, *preview], env=environment, stdout=out, stderr=err, check=False).returncode
    writer = ["coderport.report.comment", stack, str(code), "out", "err", _REPORT]
    markdown = subprocess.run(
        [*command[:-1], *writer], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    html = re.sub(r'(?s)(?<=<code class="language-diff">).*?(?=</code>)', _coloured, html)
    return f"<style>{_STYLE}</style><div id=comment><div id=who><b>github-actions</b> commented</div>{html}</div>"


def _coloured(diff: re.Match[str]) -> str:
    """Lines of a diff as GitHub colours them."""
    kinds = {"+": "more", "-": "less"}
    return "\n".join(f'<span class="{kinds.get(line[:1], "")}">{line}</span>' for line in diff[0].splitlines())


if __name__ == "__main__":
    main()
