"""The page of the emulated pair: what it answers the browser, and whom it does not answer."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from port_runs import ADMIN, MEMBER, ON_ENTITY, OTHER, RUNNING, action, started
from port_talk import Json

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.page.app import BUNDLE, FILES, application
from coderport.emulators.page.coder_side import MOST_ROWS
from coderport.emulators.pair import Pair
from coderport.emulators.port import PortEmulator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import screenshots
from screenshots import DIGEST, NAMES, PICTURES, digest

HERE = "http://127.0.0.1:17083"
SCORECARD: Json = {
    "identifier": "care",
    "title": "Care",
    "levels": [{"title": each, "color": "blue"} for each in ("None", "Some", "All")],
    "rules": [
        {"identifier": "live", "title": "Live", "level": "Some", "query": {
            "combinator": "and", "conditions": [{"property": "live", "operator": "=", "value": True}]}},
        {"identifier": "gold", "title": "Gold", "level": "All", "query": {
            "combinator": "and", "conditions": [{"property": "tier", "operator": "=", "value": "platinum"}]}},
    ],
}  # fmt: skip


class Browser:
    """A browser's requests to the page, in this process."""

    def __init__(self, coder: CoderEmulator, port: PortEmulator) -> None:
        self.coder, self.port = coder, port
        self._app = application(coder, port)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=HERE) as http:
                return await http.request(method, path, json=body, headers=headers)

        return asyncio.run(answer())

    def see(self, path: str) -> Json:
        reply = self.ask("GET", path)
        assert reply.status_code == 200, reply.text
        shown: Json = reply.json()
        return shown

    def press(self, path: str, **body: Any) -> httpx.Response:
        return self.ask("POST", path, body, origin=HERE)

    def do(self, path: str, **body: Any) -> Json:
        reply = self.press(path, **body)
        assert reply.status_code == 200, reply.text
        done: Json = reply.json()
        return done

    def workspace(self) -> Json:
        """The first one that runs, as the page shows it."""
        return next(each for each in self.see("/api/coder")["workspaces"] if each["status"] == "running")


@pytest.fixture
def browser() -> Browser:
    port, talk = started(action(), action("fix", trigger={**ON_ENTITY, "condition": RUNNING}))
    assert talk("POST", "/blueprints/service/scorecards", SCORECARD).status_code == 201
    return Browser(CoderEmulator(seed=3, workspaces=6, templates=2), port)


# ------------------------------------------------------------ who is answered


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:17083"])
def test_it_answers_under_names_of_loopback_only(browser: Browser, host: str) -> None:
    for path in (*FILES, "/api/coder", "/api/port"):
        assert browser.ask("GET", path, host=host).status_code == 400, path
    reply = browser.ask("POST", "/api/port/people", {"email": MEMBER}, host=host, origin=f"http://{host}")
    assert reply.status_code == 400


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:8080", f"{HERE}.evil.example"]
)
def test_only_the_page_itself_may_write(browser: Browser, origin: str | None) -> None:
    workspace = browser.workspace()
    path = f"/api/coder/workspaces/{workspace['id']}"
    headers = {} if origin is None else {"origin": origin}
    assert browser.ask("POST", path, {"do": "delete"}, **headers).status_code == 403
    assert browser.workspace() == workspace
    assert browser.ask("POST", path, {"do": "delete"}, origin=HERE).status_code == 200
    assert browser.ask("GET", path).status_code == 405, "what writes is no GET, which needs no Origin"


def test_no_other_origin_may_read_and_nothing_foreign_is_loaded(browser: Browser) -> None:
    for path in (*FILES, "/api/coder"):
        headers = browser.ask("GET", path, origin="http://evil.example").headers
        assert "access-control-allow-origin" not in headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "'unsafe-inline'" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert {name for name, _ in FILES.values()} == {each.name for each in BUNDLE.iterdir()}
    for each in BUNDLE.iterdir():
        text = each.read_text(encoding="utf-8")
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == [], f"{each.name} works without a network"
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc"):
            assert way not in text, f"{each.name}: what comes from Coder or Port is text"


def test_it_says_what_it_is(browser: Browser) -> None:
    text = browser.ask("GET", "/").text
    assert "nothing here is the real Coder or the real Port" in text


def test_a_body_that_is_no_order_is_refused(browser: Browser) -> None:
    path = f"/api/coder/workspaces/{browser.workspace()['id']}"
    assert browser.ask("POST", path, ["stop"], origin=HERE).status_code == 400
    assert browser.press(path, do="explode").status_code == 409
    assert browser.press(path).status_code == 409
    assert browser.press(path, do="rename", name="x" * 70_000).status_code == 413


def test_what_has_not_changed_is_not_sent_again(browser: Browser) -> None:
    tag = browser.ask("GET", "/api/coder").headers["etag"]
    again = browser.ask("GET", "/api/coder", **{"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    browser.coder.stop(browser.workspace()["id"])
    assert browser.ask("GET", "/api/coder", **{"if-none-match": tag}).status_code == 200


# ------------------------------------------------------------ Coder


def test_each_button_of_coder_does_there_what_it_says(browser: Browser) -> None:
    seen = browser.workspace()
    path, coder = f"/api/coder/workspaces/{seen['id']}", browser.coder

    def now() -> Json:
        return next(each for each in browser.see("/api/coder")["workspaces"] if each["id"] == seen["id"])

    browser.do(path, do="stop")
    assert now()["status"] == "stopped"
    browser.do(path, do="dormant")
    assert now()["dormant"] and coder.workspace(seen["id"]).dormant_at is not None
    browser.do(path, do="start")
    assert (now()["status"], now()["dormant"]) == ("running", False)
    browser.do(path, do="rename", name="another")
    assert coder.workspace(seen["id"]).name == now()["name"] == "another"
    assert browser.press(path, do="rename", name="not a name").status_code == 409
    template = coder.template(seen["template"])
    browser.do(f"/api/coder/templates/{template.id}", do="promote")
    assert now()["outdated"]
    browser.do(path, do="update")
    assert not now()["outdated"]
    browser.do(path, do="delete")
    assert seen["id"] not in coder.workspace_ids()
    assert "is deleted" in browser.press(path, do="start").json()["message"]


def test_a_large_coder_is_shown_in_part_and_found_by_name() -> None:
    browser = Browser(CoderEmulator(seed=1, workspaces=MOST_ROWS + 30, templates=2), PortEmulator())
    shown = browser.see("/api/coder")
    assert (len(shown["workspaces"]), shown["count"]) == (MOST_ROWS, MOST_ROWS + 30)
    browser.coder.rename_workspace(shown["workspaces"][-1]["id"], "needle")
    [found] = browser.see("/api/coder?find=NEEDLE")["workspaces"]
    assert found["name"] == "needle"


# ------------------------------------------------------------ Port


def test_port_is_shown_as_it_is(browser: Browser) -> None:
    browser.port.put_entity("deployment", {"identifier": "d", "title": "D", "relations": {"of": "up"}})
    overview = browser.see("/api/port")
    assert {each["identifier"]: each["count"] for each in overview["blueprints"]} == {"deployment": 1, "service": 2}
    assert set(overview["people"]) > {MEMBER, OTHER, ADMIN}
    table = browser.see("/api/port/blueprints/service?find=gold")
    assert ([each["title"] for each in table["rows"]], table["count"]) == (["Up"], 1)
    entity = browser.see(f"/api/port/entity?blueprint=deployment&entity=d&as={MEMBER}")
    assert entity["relations"]["of"] == [{"blueprint": "service", "identifier": "up", "title": "Up"}]
    service = browser.see(f"/api/port/entity?blueprint=service&entity=up&as={MEMBER}")
    assert [(each["title"], each["relation"]) for each in service["related_by"]] == [("D", "of")]
    assert browser.ask("GET", "/api/port/entity?blueprint=service&entity=gone").status_code == 404


def test_the_level_of_a_scorecard_follows_from_its_rules(browser: Browser) -> None:
    levels = {}
    for name in ("up", "down"):
        [care] = browser.see(f"/api/port/entity?blueprint=service&entity={name}")["scorecards"]
        levels[name] = care["level"], [rule["holds"] for rule in care["rules"]]
    assert levels == {"up": ("Some", [True, False]), "down": ("None", [False, False])}


def test_a_button_says_why_it_is_not_to_be_had(browser: Browser) -> None:
    def why(name: str, who: str) -> str | None:
        [fix] = browser.see(f"/api/port/entity?blueprint=service&entity={name}&as={who}")["actions"]
        reason: str | None = fix["why_not"]
        return reason

    assert why("up", MEMBER) is None
    assert why("down", MEMBER) == "its condition does not hold for this entity"
    assert why("up", "") == "choose who you are first"
    assert [each["identifier"] for each in browser.see(f"/api/port/actions?as={MEMBER}")["actions"]] == ["make", "fix"]


def test_the_form_is_the_one_that_the_action_declares(browser: Browser) -> None:
    form = browser.do("/api/port/actions/make/form", **{"as": MEMBER, "inputs": {"region": "us"}})
    fields = {each["key"]: each for each in form["fields"]}
    assert [key for key, each in fields.items() if each["required"]] == ["name"]
    assert (fields["size"]["value"], fields["region"]["value"]) == (2, "us")
    assert [each["value"] for each in fields["region"]["choices"]] == ["eu", "us"]
    assert fields["service"]["choices"] == [{"value": "up", "title": "Up"}], (
        "what the dataset leaves out is not offered"
    )
    assert fields["name"]["choices"] is None


def test_a_form_follows_what_is_put_into_it() -> None:
    inputs: Json = {
        "kind": {"type": "string", "enum": ["a", "b"]},
        "only_b": {
            "type": "string",
            "visible": {"jqQuery": '.form.kind == "b"'},
            "default": {"jqQuery": ".user.email"},
        },
        "after": {"type": "string", "dependsOn": ["kind"], "enum": {"jqQuery": '[.form.kind, "x"]'}},
    }
    form: Json = {"properties": inputs, "required": {"jqQuery": 'if .form.kind == "b" then ["only_b"] else [] end'}}
    port, _ = started(action(trigger={"userInputs": {**form, "order": ["after", "kind"]}}))
    browser = Browser(CoderEmulator(workspaces=1), port)

    def fields(**given: Any) -> dict[str, Json]:
        shown = browser.do("/api/port/actions/make/form", **{"as": MEMBER, "inputs": given})
        return {each["key"]: each for each in shown["fields"]}

    empty, filled = fields(), fields(kind="b")
    assert list(empty) == ["after", "kind", "only_b"]
    assert (empty["only_b"]["visible"], filled["only_b"]["visible"]) == (False, True)
    assert (filled["only_b"]["required"], filled["only_b"]["value"]) == (True, MEMBER)
    assert (empty["after"]["disabled"], empty["after"]["waits_for"]) == (True, ["kind"])
    assert not filled["after"]["disabled"]
    assert [each["value"] for each in filled["after"]["choices"]] == ["b", "x"]


def test_a_default_that_a_person_cleared_comes_back_neither_in_the_form_nor_in_the_run(browser: Browser) -> None:
    form = browser.do("/api/port/actions/make/form", **{"as": MEMBER, "inputs": {"size": None}})
    assert next(each for each in form["fields"] if each["key"] == "size")["value"] is None
    inputs = {"name": "abc", "size": None}
    started = browser.do("/api/port/actions/make/runs", **{"as": MEMBER, "inputs": inputs})
    assert "size" not in browser.see(f"/api/port/runs/{started['id']}")["inputs"]
    wrong = browser.press("/api/port/actions/make/runs", **{"as": MEMBER, "inputs": {"name": None}})
    assert wrong.status_code == 422 and "must have required property 'name'" in wrong.json()["message"]


def test_a_form_is_executed_as_the_person_who_is_chosen(browser: Browser) -> None:
    started = browser.do("/api/port/actions/make/runs", **{"as": MEMBER, "inputs": {"name": "abc"}})
    shown = browser.see(f"/api/port/runs/{started['id']}")
    assert (shown["by"], shown["inputs"]["name"], shown["inputs"]["size"]) == (MEMBER, "abc", 2)
    wrong = browser.press("/api/port/actions/make/runs", **{"as": MEMBER, "inputs": {"name": "ABC"}})
    assert wrong.status_code == 422
    assert "properties.name" in wrong.json()["message"]
    assert browser.press("/api/port/actions/make/runs", **{"as": "nobody@corp"}).status_code == 404
    assert [each["id"] for each in browser.see("/api/port/runs")["runs"]] == [started["id"]]


def test_a_run_that_waits_is_decided_by_who_may(browser: Browser) -> None:
    port, _ = started(action(requiredApproval=True))
    browser = Browser(CoderEmulator(workspaces=1), port)
    run = browser.do("/api/port/actions/make/runs", **{"as": MEMBER, "inputs": {"name": "abc"}})["id"]
    assert browser.see(f"/api/port/runs/{run}")["approvers"] == [ADMIN]
    assert browser.press(f"/api/port/runs/{run}/approval", **{"as": MEMBER, "do": "approve"}).status_code == 403
    browser.do(f"/api/port/runs/{run}/approval", **{"as": ADMIN, "do": "decline"})
    assert browser.see(f"/api/port/runs/{run}")["status"] == "DECLINED"


def test_a_user_of_coder_enters_port_as_a_member(browser: Browser) -> None:
    email = next(each for each in browser.see("/api/port")["people"] if each.endswith("@example.com"))
    browser.do("/api/port/people", email=email)
    browser.do("/api/port/people", email=ADMIN)
    roles = browser.port.look(lambda store: {key: user.roles for key, user in store.users.items()})
    assert (roles[email], roles[ADMIN]) == (("Member",), ("Admin",)), "who is in already keeps their roles"
    assert browser.press("/api/port/people", email="stranger@corp").status_code == 409


def test_a_dashboard_is_computed_for_the_person_who_looks(browser: Browser) -> None:
    widgets: list[Json] = [
        {"id": "n", "type": "entities-number-chart", "title": "Services", "blueprint": "service", "unit": "none",
         "calculationBy": "entities", "func": "count", "chartType": "countEntities"},
        {"id": "p", "type": "entities-pie-chart", "title": "Tiers", "blueprint": "service", "property": "property#tier",
         "dataset": {"combinator": "and", "rules": []}},
        {"id": "t", "type": "table-entities-explorer", "title": "Mine", "blueprint": "service",
         "dataset": {"combinator": "and", "rules": [
             {"property": "$title", "operator": "=", "value": {"context": "user", "property": "mainRole"}}]}},
        {"id": "o", "type": "iframe-widget", "title": "Foreign", "url": "https://example.com", "urlType": "public"},
    ]  # fmt: skip
    root = {"id": "r", "type": "dashboard-widget", "widgets": widgets, "layout": [
        {"height": 400, "columns": [{"id": each["id"], "size": 3} for each in widgets]}]}  # fmt: skip
    body = {"identifier": "all", "type": "dashboard", "title": "All", "widgets": [root]}
    browser.port.look(lambda store: store.pages.update(all=body))
    browser.port.put_entity("service", {"identifier": "m", "title": "Member", "properties": {"tier": "gold"}})
    [row] = browser.see(f"/api/port/pages/all?as={MEMBER}")["rows"]
    assert row[0]["number"] == 3
    assert row[1]["slices"] == [{"title": "gold", "count": 2}, {"title": "silver", "count": 1}]
    assert [each["identifier"] for each in row[2]["rows"]] == ["m"]
    assert browser.see(f"/api/port/pages/all?as={ADMIN}")["rows"][0][2]["rows"] == []
    assert "does not draw" in row[3]["text"]


# ------------------------------------------------------------ over a socket


def test_a_pair_serves_the_page_where_it_is_asked_for() -> None:
    with Pair(workspaces=1, page_port=0) as pair:
        assert pair.describe()["page_url"] == pair.page_url
        assert "emulated" in httpx.get(f"{pair.page_url}/page.js", timeout=300).text
    with Pair(workspaces=1) as pair:
        assert "page_url" not in pair.describe()


# ------------------------------------------------------------ the pictures of it


def test_the_pictures_show_the_page_as_it_is() -> None:
    made_of = DIGEST.read_text(encoding="utf-8").strip()
    assert made_of == digest(), "run .venv/bin/python scripts/screenshots.py (it needs Chromium and Playwright)"
    assert {each.stem for each in PICTURES.glob("*.png")} == set(NAMES)
    for name in NAMES:
        picture = (PICTURES / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG"), name
        assert len(picture) < 200_000, f"{name} is to be small"


def test_whatever_the_pictures_show_asks_for_new_ones_where_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A title of a form, a property, a card of a dashboard, a line of the comment or of a run."""
    shown, said = screenshots.shown_of_the_catalog(), screenshots.shown_of_the_comment()
    titles = json.dumps(shown)
    for title in ("Create python-data-science", "Create Coder Workspace", "Workspace Health", "Latest runs"):
        assert title in titles, title
    for line in ("anna/dev", "running", "its title", "All of it as a page"):
        assert line in said, line
    now = digest()
    assert now == digest()
    for name, other in {
        "shown_of_the_catalog": lambda: {**shown, "actions": shown["actions"][1:]},
        "shown_of_the_comment": lambda: said.replace("anna/dev", "anna/other"),
        "_texts": lambda place: [place],
    }.items():
        with monkeypatch.context() as changed:
            changed.setattr(screenshots, name, other)
            assert digest() != now, name
