"""The page of the emulated pair in a real browser, with the real engine: the demo's acts by clicking.

Needs Playwright, which `make test` installs, and a Chromium or Chrome of this machine: `apt-get install chromium`.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coderport.commands.demo import stage
from coderport.commands.demo_killed import killed
from coderport.commands.drift import DriftOutcome, drift
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.kinds.workspace import WORKSPACE
from coderport.live.opening import opened_live
from coderport.stack.stack import Stack
from coderport.tasks import ended

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from screenshots import chromium  # noqa: E402

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: `make dev` installs it")

pytestmark = [pytest.mark.browser, pytest.mark.in_order]

OWNER, OTHER = "anna.lindqvist@example.com", "bilal.okafor@example.com"
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


class Desk:
    """A browser on the page, and the stack that keeps its right side like its left."""

    def __init__(self, pair: Pair, stack: Stack, page: Page, folder: Path) -> None:
        self.pair, self.stack, self.page, self.folder = pair, stack, page, folder
        self.coder, self.port = page.locator("#coder"), page.locator("#port")
        self.wrong: list[str] = []
        self.asked: set[str] = set()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: self.wrong.append(said.text) if "violates" in said.text else None)
        page.on("request", lambda request: self.asked.add("/".join(request.url.split("/")[:3])))
        page.goto(f"{pair.page_url}/")

    def up(self) -> None:
        outcome, _ = self.stack.up()
        assert outcome.exit_code == 0, outcome.message

    def row(self, side: Locator, title: str) -> Locator:
        return side.locator("tbody tr").filter(has_text=re.compile(rf"^{re.escape(title)}"))

    def go(self, name: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=name).click()

    def be(self, email: str) -> None:
        self.page.get_by_label("You are").select_option(email)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = chromium()
    if found is None:
        pytest.skip("there is no Chromium or Chrome on this machine: `apt-get install chromium`")
    with sync_api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def desk(browser: Browser, tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("browser")
    with stage(folder, cli, workspaces=8, templates=3, page=True) as (pair, stack):
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(120_000)
        sync_api.expect.set_options(timeout=120_000)
        yield Desk(pair, stack, page, folder)
        page.close()


def test_an_empty_port_fills_while_one_looks(desk: Desk) -> None:
    sync_api.expect(desk.port).to_contain_text("Port is empty.")
    sync_api.expect(desk.page.locator("header")).to_contain_text("nothing here is the real Coder or the real Port")
    desk.up()
    sync_api.expect(desk.port.locator("tbody tr")).to_have_count(8)


def test_what_is_clicked_in_coder_is_in_port_after_a_run(desk: Desk) -> None:
    running = next(each for each in desk.pair.coder.state.undeleted() if each.running)
    title = f"{desk.pair.coder.user(running.owner_id).username}/{running.name}"
    desk.row(desk.coder, title).get_by_role("button", name="stop").click()
    sync_api.expect(desk.row(desk.coder, title).locator(".chip")).to_have_text("stopped")
    sync_api.expect(desk.row(desk.port, title).locator(".chip")).to_have_text("running")
    desk.row(desk.coder, title).get_by_role("button", name="rename").click()
    desk.page.get_by_label("new name").fill("clicked")
    desk.page.get_by_role("button", name="save").click()
    renamed = f"{title.partition('/')[0]}/clicked"
    # The policy of the page lets no test ask it again and again with a script: what lit up is kept in an attribute.
    desk.page.evaluate(
        "const kept = document.documentElement.dataset; kept.lit = '';"
        "addEventListener('animationstart', (event) => { kept.lit += event.target.textContent + '\\n' })"
    )
    sync_api.expect(desk.row(desk.coder, renamed)).to_have_count(1)
    desk.up()
    sync_api.expect(desk.row(desk.port, renamed).locator(".chip")).to_have_text("stopped")
    sync_api.expect(desk.page.locator("html")).to_have_attribute("data-lit", re.compile(re.escape(renamed)))
    sync_api.expect(desk.row(desk.port, title)).to_have_count(0)


def test_a_person_makes_a_workspace_with_the_generated_form(desk: Desk) -> None:
    desk.be(OWNER)
    desk.go("Self-service")
    desk.page.get_by_role("button", name="Create Coder Workspace").click()
    form = desk.port.locator("form")
    form.get_by_role("button", name="Execute").click()
    sync_api.expect(form.get_by_role("alert")).to_contain_text("must have required property")
    form.get_by_label("Template").select_option(index=1)
    form.get_by_label("Name").fill("by-a-click")
    form.get_by_role("button", name="Execute").click()
    sync_api.expect(desk.port.locator("h2 .chip")).to_have_text("SUCCESS")
    sync_api.expect(desk.port.locator("pre")).to_contain_text("Workspace anna-lindqvist/by-a-click is running.")
    sync_api.expect(desk.row(desk.coder, "anna-lindqvist/by-a-click").locator(".chip")).to_have_text("running")


def test_another_person_may_not_stop_it(desk: Desk) -> None:
    desk.go("Coder Workspace (")
    entity = desk.row(desk.port, "anna-lindqvist/by-a-click").get_by_role("link", name="anna-lindqvist/by-a-click")
    entity.first.click()
    stop = desk.port.get_by_role("button", name="Stop", exact=True)
    sync_api.expect(stop).to_be_enabled()
    desk.be(OTHER)
    sync_api.expect(stop).to_be_disabled()
    sync_api.expect(stop).to_have_attribute("title", f"{OTHER} may not run it")


def test_an_entity_and_a_dashboard_are_drawn(desk: Desk) -> None:
    sync_api.expect(desk.port).to_contain_text("Workspace Health")
    desk.port.get_by_role("cell").get_by_role("link").first.click()
    sync_api.expect(desk.port).to_contain_text("Related to this")
    desk.go("Coder: Coder")
    sync_api.expect(desk.port.locator(".card").filter(has_text="Workspaces").locator(".big").first).to_have_text("9")


def test_a_default_that_a_person_clears_stays_cleared(desk: Desk) -> None:
    desk.be(OWNER)
    desk.go("Self-service")
    desk.page.get_by_role("button", name="Create Python data science").click()
    cores = desk.port.get_by_label("CPUs")
    sync_api.expect(cores).to_have_value("2")
    cores.fill("")
    with desk.page.expect_response(lambda answer: answer.url.endswith("/form")):  # the form is drawn anew
        desk.port.get_by_label("Name").fill("cleared")
        desk.port.get_by_label("Name").blur()
    sync_api.expect(desk.port.get_by_label("Name")).to_have_value("cleared")
    sync_api.expect(cores).to_have_value("")


@contextmanager
def live(stack: Stack) -> Iterator[None]:
    """`live` beside the emulators, ready, in a thread: the browser has this one."""
    ready, over = threading.Event(), threading.Event()

    async def work() -> None:
        async with opened_live(stack, await asyncio.to_thread(stack.settings)) as service:
            task = asyncio.create_task(service.run())
            try:
                while service.why_not_ready() and not task.done():
                    await asyncio.sleep(0.05)
                ready.set()
                while not over.is_set() and not task.done():
                    await asyncio.sleep(0.05)
            finally:
                await service.drained(10.0)
                await ended(task)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, work())
        running.add_done_callback(lambda _: ready.set())
        ready.wait()
        try:
            yield
        finally:
            over.set()
            running.result()


def test_live_brings_a_click_in_coder_to_port_without_a_run(desk: Desk) -> None:
    desk.go("Coder Workspace (")
    title = "anna-lindqvist/by-a-click"
    sync_api.expect(desk.row(desk.port, title).locator(".chip")).to_have_text("running")
    with live(desk.stack):
        desk.row(desk.coder, title).get_by_role("button", name="stop").click()
        sync_api.expect(desk.row(desk.port, title).locator(".chip")).to_have_text("stopped")


def drifted(stack: Stack, *, repair: bool) -> DriftOutcome:
    """In a thread, for the browser has an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(drift, stack, repair=repair).result()[0]


def test_a_hand_edit_is_seen_reported_and_corrected(desk: Desk) -> None:
    edited = min(desk.pair.port.entities(WORKSPACE.identifier), key=lambda each: str(each["title"]))
    body = {"identifier": edited["identifier"], "title": "Edited by hand"}
    desk.pair.port.put_entity(WORKSPACE.identifier, body, by="somebody")
    sync_api.expect(desk.row(desk.port, "Edited by hand")).to_have_count(1)
    report = drifted(desk.stack, repair=False)
    assert [each.values for each in report.drift] == [{"$title": ("Edited by hand", edited["title"])}]
    sync_api.expect(desk.row(desk.port, "Edited by hand")).to_have_count(1)
    assert drifted(desk.stack, repair=True).result == "converged"
    sync_api.expect(desk.row(desk.port, "Edited by hand")).to_have_count(0)
    sync_api.expect(desk.row(desk.port, edited["title"])).to_have_count(1)


def test_fifteen_deletions_are_refused_and_go_with_a_release(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"goes-{number}" for number in range(15)]
    for name in names:
        desk.pair.coder.create_workspace(name=name)
    desk.up()
    goes = desk.port.locator("tbody tr").filter(has_text="/goes-")
    sync_api.expect(goes).to_have_count(15)
    for name in names:
        row = desk.coder.locator("tbody tr").filter(has=desk.page.get_by_text(re.compile(rf"/{name}$")))
        row.get_by_role("button", name="delete").click()
        sync_api.expect(row).to_have_count(0)
    refused, _ = desk.stack.up()
    assert (refused.result, refused.port_writes) == ("refused", 0) and "--allow-deletions 15" in refused.message
    sync_api.expect(goes).to_have_count(15)
    monkeypatch.setenv("CODERPORT_ALLOW_DELETIONS", "15")
    desk.up()
    sync_api.expect(goes).to_have_count(0)


def test_a_run_that_is_killed_leaves_half_and_the_next_one_does_the_rest(desk: Desk, cli: CliInfo) -> None:
    rows = desk.port.locator("tbody tr")
    before = len(desk.pair.coder.workspace_ids())
    sync_api.expect(rows).to_have_count(before)
    assert "is still locked" in [*killed(desk.stack, desk.pair, desk.folder, cli)][-1]
    sync_api.expect(desk.coder.get_by_role("heading", name=f"Workspaces ({before + 3})")).to_be_visible()
    sync_api.expect(rows).to_have_count(before)
    desk.up()
    sync_api.expect(rows).to_have_count(before + 3)


def test_text_of_coder_and_port_is_never_markup(desk: Desk) -> None:
    found = desk.pair.port.entities(WORKSPACE.identifier)[0]
    desk.pair.port.put_entity(WORKSPACE.identifier, {"identifier": found["identifier"], "title": HOSTILE})
    desk.go("Coder Workspace (")
    sync_api.expect(desk.row(desk.port, HOSTILE)).to_have_count(1)
    assert desk.page.locator("img").count() == 0
    assert desk.page.title() != "broken"


def test_nothing_went_wrong_in_the_browser_and_nobody_else_was_asked(desk: Desk) -> None:
    assert desk.wrong == []
    assert desk.asked == {desk.pair.page_url}
