"""Takes the pictures in docs/pictures anew: `.venv/bin/python scripts/screenshots.py`.

They show the page of the emulated pair after a first run and one action, in a Chromium without a window. Beside them
stands a digest of what they are made of; a test compares it, so that a change of the page asks for new pictures.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
DIGEST = PICTURES / "made-of.txt"
NAMES = ("catalog", "workspace", "form", "run", "dashboard")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MADE_OF = ("scripts/screenshots.py", "coderport/emulators/page")
_PERSON = "anna.lindqvist@example.com"
_MILLISECONDS = 60_000


def chromium() -> str | None:
    """The path of this machine's Chromium or Chrome."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def digest() -> str:
    """The SHA-256 of this script and of the page: its bundle and what answers it."""
    found = hashlib.sha256()
    for place in _MADE_OF:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def main() -> None:
    """Starts the pair, fills Port with the real engine, and clicks from view to view."""
    sys.path.insert(0, str(ROOT))
    from playwright.sync_api import sync_playwright

    from coderport.commands.demo import stage
    from coderport.engine import drop_real_life, obtain_cli
    from coderport.transport.loopback import drop_network

    path = chromium()
    if path is None:
        sys.exit("There is no Chromium on this machine. On Debian: apt-get install chromium")
    drop_real_life(os.environ)
    drop_network(os.environ)
    PICTURES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder), obtain_cli(print), workspaces=12, templates=4, page=True) as (pair, stack),
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


if __name__ == "__main__":
    main()
