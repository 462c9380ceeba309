"""Requests and answers of both emulators, held to the OpenAPI documents of Port and Coder.

The traffic is a whole run of the product through the real engine, with actions, answers and all kinds, a second one,
and all probes of `conformance`; for Port the recordings of the stock provider as well.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import test_coder_recordings as coder_recordings
from lab import Lab
from openapi import Document, Exchange, Recorded, document
from rich.console import Console

from coderport.conformance.command import ask_coder, ask_port
from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import serve
from coderport.emulators.pair import Pair
from coderport.emulators.port import PortEmulator
from coderport.engine import CliInfo
from coderport.settings import CoderAccess, PortAccess, load_access

WIDE = Path(__file__).parent / "recordings" / "port-wide"


@dataclass(frozen=True)
class Explained:
    """A kind of difference that stays, and the source that says why."""

    pattern: str
    source: str


PORT = (
    Explained(
        r"(GET|POST|PUT|PATCH) \S+ 20[012]: a status that the document lacks",
        "the document was generated from code and has no good answer at all for these routes, or only 201 for a route "
        "that creates or changes (its July 2025 edition has both)",
    ),
    Explained(
        r"DELETE /v1/(actions|blueprints|pages)\S* 200: a status that the document lacks",
        "the same; the Terraform provider deletes by these routes",
    ),
    Explained(
        r"\S+ \S+ (403|409|410): a status that the document lacks",
        "the tables of error codes that the document had until July 2025 (identifier_taken, has_dependents); 410: "
        "port-labs/port-cli 0.3.7",
    ),
    Explained(
        r"\S+ \S+ 422: a status that the document lacks",
        "the refusal of a query parameter is our choice where the document gives its bounds and no status",
    ),
    Explained(
        r".* (entity|entities/\[\]) has blueprint, createdAt, createdBy, updatedAt, updatedBy",
        "the Terraform provider reads them of every entity, and examples in Port's docs have them (octopus-deploy.md)",
    ),
    Explained(r".* 422: \. has details", "port-labs/port-cli, import_test.go and client_test.go"),
    Explained(
        r"DELETE \S+/all-entities 200: \. has migrationId",
        "the Terraform provider polls it (force_delete_entities, internal/cli/migrations.go)",
    ),
    Explained(
        r"POST \S+/entities/search/count: not in the document", "port-labs/port-cli, architecture test of its API"
    ),
    Explained(r"PUT /v1/pages/\S+: not in the document", "the Terraform provider changes pages by it"),
    Explained(r"GET /v1/\{ours\}: not in the document \(4xx\)", "a probe asks for a route that does not exist"),
)
CODER = (
    Explained(
        r"GET /workspaceproxies 200: \. is dict, not type",
        "enterprise/coderd/workspaceproxy.go answers one object of regions, and its comment says a list of those",
    ),
    Explained(r".* is null, not type", "Go writes null for an empty pointer or list, which Swagger 2.0 cannot say"),
    Explained(
        r"GET /\w+\S* 200: .*has (default_org_member_roles|agents_allowed, allow_workspace|is_service_account)",
        "fields of 2026, which came after the document: codersdk of coder/coder main, 2026-09",
    ),
    Explained(
        r"\S+ \S*/templates\S* 200: (\[\]/)?build_time_stats/\w+ has P50, P95",
        "recorded from Coder 2.20: Go-cased keys, where the document has small letters",
    ),
    Explained(
        r"GET /templateversions/\S+/presets 200: \[\] has Default, Description, DesiredPrebuildInstances, ID",
        "codersdk/presets.go has no JSON names, so the keys are Go-cased; the document has small letters",
    ),
    Explained(
        r".* 200: .*(provisioner is str, not enum|status is str, not enum \[\"active\")",
        "recorded from Coder 2.20: the provisioner echo, and dormant users",
    ),
    Explained(
        r"\S+ \S+ (201|304): a status that the document lacks",
        "recorded from Coder 2.20, whose document says 200 for what is created and nothing of 304",
    ),
    Explained(
        r"POST /workspaces/\S+/builds request: \. has on_success",
        "of 2.36, which came after the document: coder#25758, vscode-coder#1115",
    ),
    Explained(
        r"GET /\S*/(provisionerjobs 500|logs 426): a status",
        "recorded from Coder 2.20: an unknown status of jobs; a log is followed by a WebSocket only",
    ),
    Explained(r"GET \S*/coderport-asks: not in the document", "a probe asks for a route that does not exist"),
    Explained(r"GET \S*/nope: not in the document", "the recording asks for what does not exist"),
    Explained(r".* 4(0[0-9]|10): a status that the document lacks", "the document lists good answers only"),
)


def _recorded(emulator: PortEmulator | CoderEmulator) -> list[Exchange]:
    recorded = Recorded(emulator.app)
    emulator.app = recorded  # type: ignore[assignment]
    return recorded.exchanges


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[tuple[list[Exchange], list[Exchange]]]:
    """What Port and Coder were asked and answered."""
    port, coder = PortEmulator(permissions_delay=0.2), CoderEmulator(flavour="newest", workspaces=30, templates=5)
    port.add_user("somebody@example.com", teams=("somebodies",))
    of_port, of_coder = _recorded(port), _recorded(coder)
    with Pair(coder, port) as pair:
        lab = Lab(tmp_path_factory.mktemp("openapi"), cli, pair)
        lab.stack.configure(
            {
                "actions": {"backend": "webhook", "url": "https://runner.example.com/runs"},
                "answers": ["aggregations", "scorecards", "pages"],
                "kinds": ["organization", "user", "group"],
            }
        )
        lab.up()
        coder.delete_workspace(sorted(coder.workspace_ids())[0])
        lab.up()
        servers = pair.describe()
        console = Console(file=io.StringIO())
        environ = {
            "PORT_BASE_URL": servers["port_url"],
            "PORT_CLIENT_ID": servers["port_client_id"],
            "PORT_CLIENT_SECRET": servers["port_client_secret"],
            "CODER_API_BASE_URL": servers["coder_url"],
            "CODER_SESSION_TOKEN": servers["coder_token"],
        }
        ask_port(load_access(PortAccess, environ), console)
        ask_coder(load_access(CoderAccess, environ), console, writes=True)
    of_port += asyncio.run(_of_the_stock_provider())
    of_coder += _of_the_recording()
    yield of_port, of_coder


async def _of_the_stock_provider() -> list[Exchange]:
    emulator = PortEmulator(serves_github_app=True)
    exchanges = _recorded(emulator)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(emulator.app), base_url="http://port") as http:
        credentials = {"clientId": emulator.client_id, "clientSecret": emulator.client_secret}
        token = (await http.post("/v1/auth/access_token", json=credentials)).json()["accessToken"]
        http.headers["authorization"] = f"Bearer {token}"
        for file in sorted(WIDE.glob("*.http.jsonl")):
            for line in map(json.loads, file.read_text().splitlines()):
                content = None if line["body"] is None else json.dumps(line["body"])
                await http.request(line["method"], line["path"], params=line["query"], content=content)
    return exchanges


def _of_the_recording() -> list[Exchange]:
    """What was asked of a real Coder 2.20, which the emulator answers alike."""
    emulator = CoderEmulator.like_recording(clock=(clock := coder_recordings.Clock()))
    exchanges = _recorded(emulator)
    deleted = next(found.id for found in emulator.state.workspaces.values() if found.deleted)
    lines = (coder_recordings.FOLDER / "coder-2.20.0.jsonl").read_text().splitlines()
    with serve(emulator.app) as served, httpx.Client(timeout=300, base_url=served.url) as client:
        ids = {"7fe1d260-9dc7-4cdc-87ac-d665c20a2d5a": deleted}
        replay = coder_recordings.Replay(emulator, client, clock, ids)
        for line in map(json.loads, lines):
            replay.learn(line["response"], coder_recordings.content(replay.send(line)))
    return exchanges


def held(
    spec: Document,
    exchanges: Sequence[Exchange],
    explained: Sequence[Explained],
    figure: Callable[[str], None],
    name: str,
) -> None:
    """Every difference must be explained, and every explanation must explain one."""
    differing, found = 0, Counter[str]()
    for exchange in exchanges:
        lines = set(spec.differences(exchange))
        differing += bool(lines)
        found.update(lines)
    unexplained = [line for line in found if not any(re.match(each.pattern, line) for each in explained)]
    unused = [each.pattern for each in explained if not any(re.match(each.pattern, line) for line in found)]
    figure(
        f"{name}: {len(exchanges)} requests and answers held to its OpenAPI document, {differing} differ in "
        f"{len(found)} ways, {len(unexplained)} of them unexplained"
    )
    assert not unexplained, "\n".join(sorted(unexplained))
    assert not unused, f"explain nothing: {unused}"
    assert len(exchanges) > 50


def test_port_as_its_document_has_it(request: pytest.FixtureRequest, figure: Callable[[str], None]) -> None:
    spec = document("port-openapi.json")
    held(spec, request.getfixturevalue("traffic")[0], PORT, figure, "Port")


def test_coder_as_its_document_has_it(request: pytest.FixtureRequest, figure: Callable[[str], None]) -> None:
    spec = document("coder-swagger.json")
    held(spec, request.getfixturevalue("traffic")[1], CODER, figure, "Coder")


def test_a_difference_is_found_and_an_explanation_that_explains_nothing_too() -> None:
    answer = {
        "type": "object",
        "properties": {"ok": {"const": True}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    operation = {"responses": {"200": {"content": {"application/json": {"schema": answer}}}}}
    spec = Document({"paths": {"/v1/things/{thing}": {"get": operation}}})

    def told(status: int, answered: object, path: str = "/v1/things/a", method: str = "GET") -> list[str]:
        return list(spec.differences(Exchange(method, path, None, status, answered, "application/json")))

    where = "GET /v1/things/{thing}"
    assert told(200, {"ok": True}) == []
    assert told(200, {"ok": True, "more": 1}) == [f"{where} 200: . has more"]
    assert told(200, {}) == [f"{where} 200: . lacks ok"]
    assert told(200, {"ok": 1}) == [f"{where} 200: ok is int, not const true"]
    assert told(500, {}) == [f"{where} 500: a status that the document lacks"]
    assert told(200, {}, "/v1/none") == ["GET /v1/none: not in the document (2xx)"]
    with pytest.raises(AssertionError, match="explain nothing"):
        held(spec, [], [Explained("x", "y")], lambda line: None, "z")
