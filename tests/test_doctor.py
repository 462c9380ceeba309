"""`doctor` names what is wrong with a set-up, and nothing else; it writes nowhere."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest
from pydantic import SecretStr
from service_lab import Stage

from coderport import project
from coderport.catalog.blueprint import to_port
from coderport.commands.doctor import doctor
from coderport.doctor import machine
from coderport.doctor.check import Check, is_well, verdict_of
from coderport.doctor.examination import examine
from coderport.doctor.screen import show
from coderport.emulators.faults import Fault
from coderport.emulators.pair import Pair
from coderport.engine import CliInfo, find_cli
from coderport.errors import CoderportError, Refusal
from coderport.kinds.all import ALWAYS
from coderport.kinds.template import TEMPLATE
from coderport.report.account import Account
from coderport.runner.service.server import running
from coderport.runner.service.settings import ServiceSettings
from coderport.stack.comparison import comparison_of
from coderport.stack.project_file import project_copy
from coderport.stack.stack import Stack
from coderport.terminal import volume
from coderport.terminal.screen import Screen

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = "http://127.0.0.1:9"
HASTY = {"CODERPORT_PATIENCE": "1"}  # only where a server is not there: an answer has no more than that either
Found = Mapping[tuple[str, str], Check]


class House:
    """A project with a backend of its own, a stack `well` that has converged, and emulators."""

    def __init__(self, folder: Path, cli: CliInfo, pair: Pair) -> None:
        self.folder, self.cli, self.pair = folder, cli, pair
        self.project = project_copy(folder / "project")
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.cli.path.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PULUMI_BACKEND_URL": self.state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "right",
            "CODER_API_BASE_URL": self.pair.coder_url,
            "CODER_SESSION_TOKEN": self.pair.coder.token,
            "PORT_BASE_URL": self.pair.port_url,
            "PORT_CLIENT_ID": self.pair.port.client_id,
            "PORT_CLIENT_SECRET": self.pair.port.client_secret,
            "CODERPORT_PATIENCE": "60",
        }

    @contextmanager
    def inside(self, environ: Mapping[str, str], folder: Path) -> Iterator[None]:
        with patch.dict(os.environ, environ, clear=True), patch.object(project, "_named", [folder]):
            yield

    def looked_at(self, ill: Ill, stack: str) -> Found:
        """What doctor finds, with proof that neither server and no file was written to."""
        ill.make(self)
        environ = {name: value for name, value in {**self.environ, **ill.environ(self)}.items() if value}
        written = (self.pair.coder.log.writes, self.pair.port.log.writes)
        before = self.files()
        with self.inside(environ, self.folder / "nothing" if ill.elsewhere else self.project):
            checks = list(examine(stack, os.environ, now=lambda: datetime.now(timezone.utc) + ill.ahead))
        assert self.files() == before
        assert (self.pair.coder.log.writes, self.pair.port.log.writes) == written
        for secret in (self.environ["CODER_SESSION_TOKEN"], self.environ["PORT_CLIENT_SECRET"]):
            assert not any(secret in each.said + each.remedy for each in checks)
        return {(each.subject, each.name): each for each in checks}

    def files(self) -> dict[str, bytes]:
        places = (self.state, self.project)
        return {str(file): file.read_bytes() for place in places for file in place.rglob("*") if file.is_file()}


@dataclass(frozen=True)
class Ill:
    """One broken set-up: how it is made, and what names it: the check, its grade and a word of what it says."""

    check: tuple[str, str]
    grade: str
    said: str
    remedy: str = ""
    make: Callable[[House], object] = lambda house: None
    environ: Callable[[House], Mapping[str, str]] = field(default=lambda house: {})
    stack: str = "x"
    ahead: timedelta = timedelta(0)
    elsewhere: bool = False
    verdict: str = ""
    """What the end says that a run comes to; else "fails" of what fails, and "well" of what warns."""

    @property
    def end(self) -> str:
        return self.verdict or ("fails" if self.grade == "fail" else "well")


MACHINE = "this machine"


def actions(**given: object) -> Callable[[House], Mapping[str, str]]:
    return lambda house: {"CODERPORT_ACTIONS": json.dumps(given)}


def token(role: str, **given: object) -> Callable[[House], Mapping[str, str]]:
    return lambda house: {"CODER_SESSION_TOKEN": house.pair.coder.create_token(role, **given)}  # type: ignore[arg-type]


def of_stack(house: House) -> Path:
    return house.project / "Pulumi.x.yaml"


def encrypted(house: House) -> None:
    """The file of the stack `well`, which has a token as a secret, as that of `x`."""
    shutil.copyfile(house.project / "Pulumi.well.yaml", of_stack(house))


def forbidden(house: House) -> None:
    body = {"ok": False, "error": "missing_permissions", "message": "may not register entities"}
    house.pair.port.faults.add(Fault("status", path=r"/entities", method="POST", status=403, body=body))


def locked(pid: int, host: str = "") -> Callable[[House], object]:
    def make(house: House) -> None:
        folder = house.state / ".pulumi" / "locks" / "organization" / "coderport" / "well"
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
        held = {"pid": pid, "username": "ada", "hostname": host or socket.gethostname(), "timestamp": now}
        (folder / "one.json").write_text(json.dumps(held))

    return make


def configured(**given: str) -> Callable[[House], object]:
    lines = "".join(f"  coderport:{key}: {value}\n" for key, value in given.items())
    return lambda house: (house.project / "Pulumi.x.yaml").write_text(f"config:\n{lines}")


def failing_licences(house: House) -> None:
    house.pair.coder.faults.add(Fault("status", path="/licenses", status=400, body={"message": "boom"}))
    configured(kinds="[licence]")(house)


def foreign_blueprints(house: House) -> None:
    for blueprint in ALWAYS:
        body = to_port(blueprint)
        body["title"] = "Somebody's own"
        house.pair.port.put_blueprint(body, by="somebody@example.com")


def foreign_entities(house: House) -> None:
    for blueprint in ALWAYS:
        house.pair.port.put_blueprint(to_port(blueprint), by="somebody@example.com")
    identifier = min(house.pair.coder.template_ids())
    body = {"identifier": identifier, "properties": {"managed_by": "theirs/prod#0badc0de"}}
    house.pair.port.put_entity(TEMPLATE.identifier, body)


def without_integrations(house: House) -> None:
    for each in list(house.pair.port._store.integrations):
        house.pair.port.remove_integration(each)


ILL = {
    "no Pulumi CLI": Ill(
        (MACHINE, "cli"), "fail", "no Pulumi CLI", "coderport engine", environ=lambda house: {"PATH": "/nonexistent"}
    ),
    "no project": Ill((MACHINE, "project"), "fail", "There is no project in", elsewhere=True),
    "no place for the state": Ill(
        (MACHINE, "stack"), "fail", "place for Pulumi's state", "login",
        environ=lambda house: {"PULUMI_BACKEND_URL": ""},
    ),
    "a backend that is not there": Ill(
        (MACHINE, "stack"), "fail", "cannot be reached", environ=lambda house: {"PULUMI_BACKEND_URL": "file:///none/such"}
    ),
    "another passphrase": Ill(
        (MACHINE, "secrets"), "fail", "passphrase is not that of the stack well", "PULUMI_CONFIG_PASSPHRASE",
        environ=lambda house: {"PULUMI_CONFIG_PASSPHRASE": "wrong"}, stack="well",
    ),
    "a run is under way": Ill(
        (MACHINE, "lock"), "fail", "well is locked", "has ended", make=locked(os.getpid()), stack="well"
    ),
    "a lock of another machine": Ill(
        (MACHINE, "lock"), "fail", "well is locked", "cancel --yes --stack well",
        make=locked(7, "elsewhere"), stack="well",
    ),
    "the lock of a dead run": Ill((MACHINE, "lock"), "warn", "that died", make=locked(2**22 - 3), stack="well"),
    "no token": Ill(
        (MACHINE, "settings"), "fail", "is wrong", "coderSessionToken is missing",
        environ=lambda house: {"CODER_SESSION_TOKEN": ""},
    ),
    "a key that is none": Ill(
        (MACHINE, "settings"), "fail", "is wrong", "volatileRefreshh is not a setting",
        make=configured(volatileRefreshh="1h"),
    ),
    "a proxy that is none": Ill(
        (MACHINE, "network"), "fail", "HTTPS_PROXY",
        environ=lambda house: {"CODER_API_BASE_URL": "https://coder.example.com", "HTTPS_PROXY": "gopher://proxy:1"},
    ),
    "no Coder at the address": Ill(
        ("Coder", "address"), "fail", "did not answer", "export CODER_API_BASE_URL=CHOOSE-URL",
        environ=lambda house: {"CODER_API_BASE_URL": NOWHERE, **HASTY},
    ),
    "something else than Coder at the address": Ill(
        ("Coder", "address"), "fail", "Is that a Coder deployment?", "export CODER_API_BASE_URL=CHOOSE-URL",
        environ=lambda house: {"CODER_API_BASE_URL": house.pair.port_url},
    ),
    "a token that is gone": Ill(
        ("Coder", "token"), "fail", "does not accept the token", "export CODER_SESSION_TOKEN=CHOOSE-TOKEN",
        environ=lambda house: {"CODER_SESSION_TOKEN": "0123456789-notOneOfTheirs"},
    ),
    "a token that ends soon": Ill(
        ("Coder", "token"), "warn", "That is soon.", "export CODER_SESSION_TOKEN=CHOOSE-TOKEN",
        environ=token("owner", expires_at=datetime.now(timezone.utc) + timedelta(days=2)),
    ),
    "a token of a member": Ill(("Coder", "sees"), "fail", "does not see all", environ=token("member")),
    "a token that proves no deletion of the dormant": Ill(
        ("Coder", "proofs"), "warn", "may not open dormant workspaces", environ=token("template-admin")
    ),
    "a token that hears nothing": Ill(
        ("Coder", "feeds"), "warn", "(not those of coder), and no audit log", environ=token("template-admin")
    ),
    "a token that may not act": Ill(
        ("Coder", "acts"), "warn", "not create, start, stop, update, delete in coder", "least-privileges",
        environ=lambda house: {
            **token("template-admin")(house), **actions(backend="github", repository="acme/coderport")(house)
        },
    ),
    "an organization that is none": Ill(
        ("Coder", "organizations"), "fail", "no organization 'nowhere'",
        environ=lambda house: {"CODER_ORGANIZATION_ID": "nowhere"},
    ),
    "a pattern that matches nothing": Ill(
        ("run", "note"), "warn", "coderport:excludeTemplates names templates that Coder does not have: pythn-*",
        make=configured(excludeTemplates='["pythn-*"]'),
    ),
    "a patience that is none": Ill(
        (MACHINE, "network"), "fail", "CODERPORT_PATIENCE", environ=lambda house: {"CODERPORT_PATIENCE": "long"}
    ),
    "a release that is no number": Ill(
        (MACHINE, "releases"), "fail", "is no number", "unset CODERPORT_ALLOW_DELETIONS",
        environ=lambda house: {"CODERPORT_ALLOW_DELETIONS": "many"},
    ),
    "Coder fails at a kind": Ill(
        ("run", "read"), "fail", "Not read: licences.", make=failing_licences
    ),
    "kinds that are none": Ill((MACHINE, "settings"), "fail", "", "grupo", make=configured(kinds="grupo")),
    "a new stack without a passphrase": Ill(
        (MACHINE, "settings"), "fail", "There is no passphrase", "PULUMI_CONFIG_PASSPHRASE",
        environ=lambda house: {"PULUMI_CONFIG_PASSPHRASE": ""},
    ),
    "a new stack whose file has the salt of another passphrase": Ill(
        (MACHINE, "settings"), "fail", "The passphrase is not that", make=lambda house: encrypted(house),
        environ=lambda house: {"PULUMI_CONFIG_PASSPHRASE": "wrong"},
    ),
    "a new stack with secrets in its file": Ill(
        (MACHINE, "stack"), "warn", "no stack x", make=lambda house: encrypted(house),
        environ=lambda house: {"CODER_SESSION_TOKEN": ""},
    ),
    "a stack's file that is no object": Ill(
        (MACHINE, "stack"), "fail", "", make=lambda house: of_stack(house).write_text("hello\n")
    ),
    "a stack's file that is not YAML": Ill(
        (MACHINE, "stack"), "fail", "", "", make=lambda house: of_stack(house).write_text("config: [a\n")
    ),
    "a stack's file that is not text": Ill(
        (MACHINE, "stack"), "fail", "", make=lambda house: of_stack(house).write_bytes(bytes(range(256)))
    ),
    "a stack's file that is a folder": Ill(
        (MACHINE, "stack"), "fail", "", make=lambda house: of_stack(house).mkdir()
    ),
    "a word where Pulumi wants true or false": Ill(
        (MACHINE, "settings"), "fail", "", "takeOver must be true or false",
        make=configured(takeOver='"yes"'),
    ),
    "a text where Pulumi wants a list": Ill(
        (MACHINE, "settings"), "fail", "", "templates must be a list",
        make=configured(templates="'[\"go-*\"]'"),
    ),
    "a description that names no project": Ill(
        (MACHINE, "project"), "fail", "names no project",
        make=lambda house: (house.project / "Pulumi.yaml").write_text("runtime: python\n"),
    ),
    "a client that may write nothing": Ill(
        ("Port", "writes"), "fail", "may not write entities", make=lambda house: forbidden(house)
    ),
    "another secret of Port": Ill(
        ("Port", "credentials"), "fail", "does not accept the client id",
        "export PORT_CLIENT_SECRET=CHOOSE-CLIENT-SECRET",
        environ=lambda house: {"PORT_CLIENT_SECRET": "no"},
    ),
    "no Port at the address": Ill(
        ("Port", "credentials"), "fail", "cannot be reached", "export PORT_BASE_URL=https://api.port.io",
        environ=lambda house: {"PORT_BASE_URL": NOWHERE, **HASTY},
    ),
    "blueprints of somebody else": Ill(
        ("run", "guard"), "fail", "already has a blueprint coder_template", "coderport:takeOver true",
        make=foreign_blueprints, verdict="refused",
    ),
    "entities of another stack": Ill(
        ("run", "guard"), "fail", "would write, and they are not its own", "theirs/prod", make=foreign_entities,
        verdict="refused",
    ),
    "no GitHub integration": Ill(
        ("actions", "backend"), "fail", "no GitHub integration", make=without_integrations,
        environ=actions(backend="github", repository="acme/coderport"),
    ),
    "nobody at the webhook": Ill(
        ("actions", "backend"), "fail", "does not answer", "coderport:actions.url",
        environ=actions(backend="webhook", url="https://127.0.0.1:9/runs"), verdict="buttons",
    ),
    "an agent's webhook that is not seen from here": Ill(
        ("actions", "backend"), "warn", "does not answer", "agent",
        environ=actions(backend="webhook", url=f"{NOWHERE}/runs", agent=True),
    ),
    "something else at the webhook": Ill(
        ("actions", "backend"), "fail", "something else than the service", "/runs",
        environ=lambda house: actions(backend="webhook", url=f"{house.pair.control_url}/runs", agent=True)(house),
        verdict="buttons",
    ),
    "a clock ten minutes ahead": Ill(
        ("clock", "clock"), "warn", "ahead of Coder; ", "NTP", ahead=timedelta(minutes=10)
    ),
    "a clock two minutes behind": Ill(("clock", "clock"), "warn", "behind Coder", ahead=timedelta(minutes=-2)),
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Path:
    """A folder with a project and the state of a stack `well` that has converged once."""
    folder = tmp_path_factory.mktemp("doctor")
    with Pair(seed=8, workspaces=6, templates=2) as pair:
        house = House(folder, cli, pair)
        with house.inside(house.environ, house.project):
            stack = Stack("well", cli)
            stack.configure_secret("coderSessionToken", pair.coder.token)
            outcome, _ = stack.up()
        assert outcome.exit_code == 0, outcome.message
        (folder / "port.json").write_text(json.dumps(pair.port.objects()))
    return folder


@pytest.fixture
def house(kept: Path, tmp_path: Path, cli: CliInfo) -> Iterator[House]:
    """A copy of it beside fresh emulators, whose Port is empty."""
    for each in ("project", "state"):
        shutil.copytree(kept / each, tmp_path / each)
    with Pair(seed=8, workspaces=6, templates=2) as pair:
        yield House(tmp_path, cli, pair)


@pytest.mark.parametrize("name", ILL)
def test_what_is_wrong_is_named_and_nothing_is_written(name: str, house: House) -> None:
    ill = ILL[name]
    found = house.looked_at(ill, ill.stack)
    check = found[ill.check]
    assert check.grade == ill.grade, found
    assert ill.said in check.said and ill.remedy in check.remedy, check
    wrong = [each for each in found.values() if each.grade == "fail"]
    assert wrong == ([check] if ill.grade == "fail" else []), "what else is wrong"
    assert verdict_of(found.values()) == ill.end
    if name not in SEEN_BY_WRITING and (ill.grade == "fail" or name in LOOKED_AT_TWICE):
        assert of_a_run(house, ill) == {"buttons": "well"}.get(ill.end, ill.end)


SEEN_BY_WRITING = {
    "a client that may write nothing",  # a run meets it where it writes
    "a run is under way", "a lock of another machine",  # and these where it takes the lock
}  # fmt: skip


LOOKED_AT_TWICE = {"a new stack with secrets in its file", "a pattern that matches nothing", "the lock of a dead run"}
"""Those a run does not mind of which it is seen that it does not. Of all it would take a minute."""


def of_a_run(house: House, ill: Ill) -> str:
    """What the run's own code says of the set-up: as `preview --fast` and `sync` begin, up to the first write."""
    environ = {name: value for name, value in {**house.environ, **ill.environ(house)}.items() if value}
    with house.inside(environ, house.folder / "nothing" if ill.elsewhere else house.project):
        try:
            cli = find_cli(os.environ)
            if cli is None:
                return "fails"
            stack = Stack(ill.stack, cli)
            account = Account()
            compared = comparison_of(stack, stack.releases(), account)
        except Refusal:
            return "refused"
        except CoderportError:
            return "fails"
    if compared.verdict.refused:
        return "refused"
    return "fails" if account.unread else "well"


def test_a_set_up_that_is_well_passes_whole(house: House) -> None:
    found = house.looked_at(Ill(("", ""), "", ""), "x")
    assert is_well(found.values())
    shutil.rmtree(house.state / ".pulumi")  # a folder that no CLI has used yet stays as it is
    assert verdict_of(house.looked_at(Ill(("", ""), "", ""), "x").values()) == "well"
    unsure = {each.name for each in found.values() if each.grade != "pass"}
    assert unsure == {"stack", "writes"}, "made by the first run, and seen by it"


@contextmanager
def served(folder: Path, secret: str) -> Iterator[str]:
    """The service of the webhook backend, in a thread; the address of its runs."""
    settings = ServiceSettings(database=folder / "runs.sqlite", secret=SecretStr(secret), port=0, grace_seconds=0.0)
    url: list[str] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(settings, Stage().opened()) as address:
            url.append(address)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield f"{url[0]}/runs"
    finally:
        stop.set()
        thread.join(60)


def test_the_service_is_asked_whether_it_knows_the_secret(house: House, tmp_path: Path) -> None:
    for secret, grade, said in (
        (house.pair.port.client_secret, "pass", "knows the secret"),
        ("another-secret", "fail", "does not know this client's secret"),
    ):
        with served(tmp_path, secret) as url:
            chosen = actions(backend="webhook", url=url, agent=True)
            check = house.looked_at(Ill(("", ""), "", "", environ=chosen), "x")["actions", "backend"]
        assert (check.grade, said in check.said) == (grade, True), check


def test_quiet_leaves_what_warns_or_fails_with_its_remedy_and_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [
        Check(subject="Coder", name="address", grade="pass", said="2.20 answers"),
        Check(subject="Coder", name="token", grade="warn", said="ends tomorrow", remedy="Make another."),
        Check(subject="Port", name="rights", grade="fail", said="none", remedy="Ask an admin."),
        Check(subject="Port", name="all", grade="skip", said="not looked at"),
    ]
    monkeypatch.setattr(volume, "_volume", volume.Volume.QUIET)
    seen = StringIO()
    assert show(checks, Screen(file=seen)) == checks
    assert [" ".join(line.split()) for line in seen.getvalue().splitlines()] == [
        "WARN Coder: token ends tomorrow",
        "Make another.",
        "FAIL Port: rights none",
        "Ask an admin.",
        "1 pass, 1 warn, 1 fail, 1 not looked at. A run would fail.",
    ]


def test_one_object_and_exit_1_come_whatever_is_wrong_with_the_set_up_or_with_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failed(folder: Path) -> tuple[str, str]:
        with patch.object(project, "_named", [folder]):
            assert doctor("x", as_object=True) == 1
        found = json.loads(capsys.readouterr().out)
        assert (found["well"], found["verdict"]) == (False, "fails")
        (only,) = [each for each in found["checks"] if each["grade"] == "fail"]
        return only["name"], only["said"]

    (tmp_path / "Pulumi.yaml").write_text("name: theirs\nruntime: nodejs\n")
    assert failed(tmp_path) == ("project", f"The Pulumi project in {tmp_path} is not one of coderport: "
                                "its runtime is nodejs, and not python. Nothing was read or written.")  # fmt: skip
    monkeypatch.setattr(machine, "project_folder", lambda: 1 // 0)
    name, said = failed(tmp_path)
    assert name == "doctor" and "ZeroDivisionError" in said


def test_the_command_shows_a_table_or_one_object_and_says_by_its_exit_code_how_it_is(house: House) -> None:
    command = [sys.executable, "-m", "coderport", "--cwd", str(house.project), "doctor", "--stack", "x"]

    def run(*more: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], cwd=ROOT, env={**house.environ, **environ}, capture_output=True, text=True, timeout=300
        )

    table = run()
    assert table.returncode == 0 and table.stdout.endswith("All is well.\n"), table.stdout + table.stderr
    assert f"-m coderport --cwd {house.project} preview --stack x" in table.stdout, "as it can be pasted from here"
    as_object = run("--json", PORT_CLIENT_SECRET="no")
    found = json.loads(as_object.stdout)
    assert as_object.returncode == 1 and found["well"] is False
    assert [each["name"] for each in found["checks"] if each["grade"] == "fail"] == ["credentials"]
