"""`why`: forty questions about one stack in the middle of its life, each answered right."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from lab import Lab, laboratory

from coderport.catalog.actions.values import Rule
from coderport.catalog.values import Ref
from coderport.commands.why import explain
from coderport.engine import CliInfo
from coderport.why.addresses import Addresses, Place
from coderport.why.answer import answers
from coderport.why.gathering import gathered
from coderport.why.knowledge import Knowledge
from coderport.why.statement import Answer

LEFT_OUT = "left-out"
FOREIGN = "0e5f0b7a-0000-4000-8000-00000000000a"
NOBODYS = "0e5f0b7a-0000-4000-8000-00000000000b"


@dataclass
class Life:
    """What happened: the ids of those that something happened to, by what that was."""

    lab: Lab
    ids: dict[str, str]
    knowledge: Knowledge

    def knows(self, about: str) -> Knowledge:
        """What is gathered for the question: of what a run has deleted Coder is asked again."""
        return self.asks(about) if "former" in about else self.knowledge

    def asks(self, about: str, **changed: Any) -> Knowledge:
        """What is gathered for the question under the settings, or others."""
        with pytest.MonkeyPatch.context() as patch:
            settings, memory = self.lab.stack.settings().model_copy(update=changed), self.lab.stack.memory()
            patch.setattr(self.lab.stack, "settings", lambda: settings)
            patch.setattr(self.lab.stack, "memory", lambda: memory)
            return gathered(self.lab.stack, self.asked(about))

    def asked(self, about: str) -> str:
        """The text of the question: `{name}` stands for an id, `{name_path}` for owner/name."""
        there = self.lab.coder.workspace_ids(True)
        paths = {f"{name}_path": self.path(one) for name, one in self.ids.items() if one in there}
        return about.format(**self.ids, **paths, url=self.lab.pair.coder_url)

    def path(self, identifier: str) -> str:
        workspace = self.lab.coder.workspace(identifier)
        return f"{self.lab.coder.user(workspace.owner_id).username}/{workspace.name}"


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Life]:
    with laboratory(tmp_path_factory.mktemp("why"), cli, workspaces=12, templates=3, prebuilds=1) as lab:
        coder, port = lab.coder, lab.port
        left_out = coder.create_template(LEFT_OUT)
        hidden = coder.create_workspace(template=LEFT_OUT, name="hidden")
        old = coder.create_template("old")
        running = coder.create_workspace(name="runs")
        stopped = coder.create_workspace(name="stops")
        coder.stop(stopped)
        others = [coder.create_workspace(name=f"w{number}") for number in range(6)]
        gone, edited, changed, missing, taken, cleared = others
        former = coder.create_workspace(name="former")
        coder.create_organization("second")
        coder.create_template("elsewhere", organization="second")
        away = coder.create_workspace(template="elsewhere", name="away")
        actions: dict[str, Any] = {
            "backend": "github",
            "repository": "acme/coderport",
            "extra[0]": "bulk",
            "admins[0]": "root@example.com",
        }
        lab.stack.configure({"excludeTemplates": [LEFT_OUT, "none-*"], "actions": actions})
        lab.up()
        coder.delete_workspace(former)
        lab.stack.configure({"excludeTemplates": [LEFT_OUT, "none-*", "elsewhere"]})
        lab.up()
        coder.delete_workspace(gone)
        coder.rename_workspace(changed, "w2-renamed")
        coder.deprecate("old")
        fresh = coder.create_workspace(name="fresh")
        by_hand = {"identifier": edited, "properties": {"status": "by hand"}}
        port.put_entity("coder_workspace", by_hand, by="eve@example.com")
        port.put_entity("coder_workspace", {"identifier": taken, "properties": {"managed_by": "theirs/prod#0badc0de"}})
        port.delete_entity("coder_workspace", missing)
        dormant = {"dormant_at": "2026-01-01T00:00:00Z"}
        port.put_entity("coder_workspace", {"identifier": cleared, "properties": dormant})
        foreign = {"managed_by": "theirs/prod#0badc0de", "name": "foreign"}
        port.put_entity("coder_workspace", {"identifier": FOREIGN, "title": "them/foreign", "properties": foreign})
        port.put_entity("coder_workspace", {"identifier": NOBODYS, "title": "nobody/by-hand", "properties": {}})
        prebuild = next(iter(coder.workspace_ids(prebuilds=True) - coder.workspace_ids()))
        template = min(coder.template_ids() - {left_out, old})
        ids = {
            "running": running, "stopped": stopped, "gone": gone, "edited": edited, "changed": changed, "fresh": fresh,
            "missing": missing, "former": former, "taken": taken, "cleared": cleared, "hidden": hidden, "away": away,
            "left_out": left_out, "old": old,
            "prebuild": prebuild, "template": template, "template_name": coder.template(template).name,
        }  # fmt: skip
        yield Life(lab, ids, gathered(lab.stack))


QUESTIONS = [
    # about, topic, what is said of it
    ("{running}", "coder", "In Coder, and seen by this token."),
    ("{running}", "scope", "In scope."),
    ("{running}", "port", "In Port, last changed"),
    ("{running}", "owner", "This stack's: this state wrote it"),
    ("{running}", "history", "Last created by the run "),
    ("{running}", "next run", "leaves it as it is"),
    ("{running}", "button", "Stop: offered."),
    ("{running}", "button", "Start: not offered, it needs status to be stopped or failed or canceled (it is running)"),
    ("{stopped}", "button", "Start: offered."),
    ("{stopped}", "button", "it needs status to be running (it is stopped)"),
    ("{running_path}", "coder", "In Coder"),
    ("@{running_path}", "coder", "In Coder"),
    ("{url}/@{running_path}", "coder", "In Coder"),
    ("{url}/@{running_path}/builds/1", "coder", "In Coder"),
    ("https://app.port.io/coder_workspaceEntity?identifier={running}", "coder", "In Coder"),
    ("runs", "coder", "In Coder"),
    ("{gone}", "coder", "Deleted in Coder: Coder says so"),
    ("{gone}", "next run", "deletes it, because it is deleted in Coder"),
    ("{edited}", "property", "status: Port has by hand, wanted is "),
    ("{edited}", "property", "a hand edit in Port since the last run (the entity was last changed by eve@example.com)"),
    ("{edited}", "next run", "changes it"),
    ("{changed}", "property", "name: Port has w2, wanted is w2-renamed: changed in Coder since the last run."),
    ("{missing}", "port", "Not in Port."),
    ("{missing}", "next run", "creates it"),
    ("{missing}", "history", "Last created by the run "),
    ("{fresh}", "history", "No run of this stack that is remembered has declared it."),
    ("{fresh}", "next run", "creates it: it was not read until now"),
    ("{taken}", "owner", "Not this stack's: it has the mark of another state or of somebody else"),
    ("{taken}", "owner", "(managed_by is theirs/prod#0badc0de)"),
    ("{taken}", "next run", "The guard would refuse that run."),
    ("{cleared}", "property", "Coder has no value, so the next run clears it"),
    ("{cleared}", "property", "Empty, because Coder has no value: "),
    ("{hidden}", "scope", "coderport:excludeTemplates: left-out has left-out"),
    ("{hidden}", "next run", "No run creates it."),
    ("{left_out}", "scope", "Left out: left out by the template settings"),
    ("{prebuild}", "scope", "(coderport:includePrebuilds)"),
    (FOREIGN, "owner", "Not this stack's"),
    (FOREIGN, "coder", "Not in Coder, as far as this token sees. The token sees all templates and workspaces"),
    ("them/foreign", "next run", "does nothing with it"),
    (NOBODYS, "owner", "it has no mark (it has no managed_by)"),
    ("{template}", "coder", "In Coder"),
    ("{template_name}", "coder", "In Coder"),
    ("{url}/templates/coder/{template_name}", "port", "In Port"),
    ("{former}", "coder", "Deleted in Coder: Coder says so of this id."),
    ("{former}", "scope", "Nothing to be in scope: it is deleted in Coder."),
    ("{former}", "history", "Last deleted by the run "),
    ("{former}", "next run", "No run creates it."),
    ("former", "coder", "Deleted in Coder: Coder says so of this id."),
    ("admin/former", "port", "Not in Port."),
    ("{url}/@admin/former", "coder", "Deleted in Coder: Coder says so of this id."),
    ("{url}/@{running_path}.main/apps/code-server", "coder", "In Coder"),
    ("{url}/api/v2/workspaces/{running}", "coder", "In Coder"),
    ("{running_path}/", "coder", "In Coder"),
    ("/@{running_path}", "coder", "In Coder"),
    ("coder_workspace:{running}", "coder", "In Coder"),
    ("coder_template:{template}", "coder", "In Coder"),
    ("coder_workspace-{running}", "coder", "In Coder"),
    ("{template}", "button", "Update all outdated: offered, to root@example.com only."),
    ("{url}/templates/{template_name}/docs", "coder", "In Coder"),
    ("https://app.port.io/self-serve?action=coder_create_workspace&actionInputs=x", "port", "In Port."),
    ("coder_create_workspace", "scope", "The settings ask for it."),
    ("Create Coder Workspace", "port", "In Port."),
    ("coder_create_{template}", "owner", "Declared by this stack's last run."),
    ("coder_create_{old}", "scope", "Not declared: its template is deprecated."),
    ("coder_create_{old}", "next run", "deletes it"),
    ("coder_create_{left_out}", "scope", "Not declared: its template is left out by the template settings."),
    ("status", "property", "A property of workspaces (coder_workspace), string."),
    ("status", "coder", "From workspace.latest_build.status (coderport/kinds/workspace.py)."),
    ("status", "port", "Port's blueprint has it as it is declared."),
    ("status", "next run", "it differs in 1: "),
    ("Status", "owner", "Written by this stack's runs."),
    ("coder_workspace.status", "owner", "Written by this stack's runs, and by live where that runs."),
    ("{hidden}#name", "owner", "No run writes a value of it"),
    ("coder_workspace.status", "coder", "From workspace.latest_build.status"),
    ("workspace#last_used_at", "property", "Volatile: written when something else of the entity is, or once in 24"),
    ("last_used_at", "property", "A property of workspaces (coder_workspace), string (date-time)."),
    ("template_id", "property", "A relation of workspaces (coder_workspace) to one of coder_template."),
    ("active_users", "coder", "Not in Coder: Port computes it by "),
    ("active_users", "owner", "Port computes it"),
    ("{edited}#status", "coder", "Coder has running."),
    ("{edited}#status", "port", "Port has by hand."),
    ("{edited}#status", "property", "a hand edit in Port since the last run"),
    ("{edited}#status", "next run", "The next run writes it. The guard would refuse that run."),
    ("{edited}#name", "next run", "The next run leaves it as it is."),
    ("{running_path}#status", "property", "The same in Coder and in Port."),
    ("{running_path}.status", "port", "Port has running."),
    ("{url}/@{running_path}#status", "port", "Port has running."),
    ("{changed}#title", "coder", "Coder has admin/w2-renamed."),
    ("{changed}#title", "port", "Port has admin/w2."),
    ("{gone}#name", "coder", "Deleted in Coder: Coder says so"),
    ("{gone}#name", "next run", "deletes it, because it is deleted in Coder"),
    ("{missing}#name", "port", "The object is not in Port."),
    ("{missing}#name", "next run", "creates it"),
    ("{hidden}#name", "coder", "Coder has hidden."),
    ("{hidden}#name", "next run", "No run creates it."),
    ("{former}#name", "coder", "Deleted in Coder: Coder says so of this id."),
    ("{running}#nosuch", "unknown", "names no property of workspaces"),
    ("{running}#statuss", "unknown", "names no property of workspaces; like it: status"),
    ("statuss", "unknown", "Like it: status"),
    ("w2-renamd", "unknown", "Nothing is called w2-renamd"),
    ("w2-renamd", "unknown", "Like it: w2-renamed"),
]  # fmt: skip


STRANGE = [
    # an address that is none of ours, and what is said of it
    ("https://other-coder.example.com/@{running_path}", "is an address neither of this stack's Coder (http://127.0.0.1:"),
    ("https://evil.example/x/runs", "nor of Port's app (app.port.io, "),
    ("https://evil.example/templates/coder/{template_name}", "is an address neither"),
    ("https://evil.example/coder_workspaceEntity?identifier={running}", "is an address neither"),
    ("https://127.0.0.1@evil.example/@{running_path}", "is an address neither"),
    ("http://127.0.0.1:1/@{running_path}", "is an address neither"),
    ("https://app.port.io/some_otherEntity?identifier={running}", "is of Port's blueprint some_other, and coderport"),
    ("https://app.port.io/coder_templateEntity?identifier={running}", "which neither Coder nor Port has shown"),
    ("https://app.port.io/coder_workspaces", "is a page of Port's app that is of no one entity"),
    ("{url}/settings/runs", "is no page of an object that is known in this Coder"),
    ("{url}/", "is no page of an object that is known in this Coder"),
    ("http://[::1", "is no address"),
    ("http://a／b/c", "is no address"),
    ("https://", "is no address"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "said"), STRANGE)
def test_an_address_of_something_else_is_said_to_be_that(life: Life, about: str, said: str) -> None:
    (answer,) = answers(life.knowledge, life.asked(about))
    assert answer.kind == "" and said in answer.statements[0].said


@pytest.mark.parametrize("text", ["//[x", "[", "#", ".", "@", "/", "?identifier=x", "\x00", "http:", "runs#"])
def test_no_text_is_too_strange_to_ask(life: Life, text: str) -> None:
    (answer,) = answers(life.knowledge, text)
    assert answer.kind == "" and answer.statements


CODER = ("https://coder.example.com/dev", "https://access.example.com:8443")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("https://coder.example.com/dev/@a/b/", Place(path="/@a/b")),
        ("HTTPS://CODER.example.com:443/dev/@A/b?x#y", Place(path="/@a/b")),
        ("coder.example.com/dev/@a/b", Place(path="/@a/b")),
        ("https://access.example.com:8443/@a/b", Place(path="/@a/b")),
        ("https://coder.example.com/development/@a/b", None),
        ("https://coder.example.com/@a/b", None),
        ("https://access.example.com/@a/b", None),
        ("https://app.us.port.io/coder_userEntity?identifier=x", Place(ref=Ref("coder_user", "x"))),
        ("app.us.port.io/coder_userEntity?identifier=x", Place(ref=Ref("coder_user", "x"))),
        ("https://app.port.io/coder_userEntity?identifier=x", None),
    ],
)
def test_an_address_is_of_this_coder_or_of_this_region_of_port(text: str, place: Place | None) -> None:
    found = Addresses(CODER, "https://api.us.port.io").place(text)
    assert found is not None and (
        found == place if place is not None else found.strange.startswith("is an address nei")
    )


def test_what_is_only_like_one_of_our_addresses_is_a_name() -> None:
    assert Addresses(CODER, "https://api.port.io").place("coder.example.com.evil/@a/b") is None


def test_there_are_forty_questions() -> None:
    assert len(QUESTIONS) >= 40


@pytest.mark.parametrize(("about", "topic", "said"), QUESTIONS)
def test_each_question_is_answered_right(life: Life, about: str, topic: str, said: str) -> None:
    found = answers(life.knows(about), life.asked(about))
    of_topic = [each.said for answer in found for each in answer.statements if each.topic == topic]
    assert any(said in each for each in of_topic), found


def test_what_a_run_has_deleted_is_in_coder_also_where_it_lives_in_an_organization_out_of_scope(life: Life) -> None:
    first = life.lab.coder.organization("default").name
    knowledge = life.asks("{away}", organizations=(first,))
    (answer,) = answers(knowledge, life.ids["away"])
    said = {each.topic: each.said for each in answer.statements}
    assert said["coder"] == "In Coder, and seen by this token, in an organization that is not in scope."
    assert said["scope"].startswith("Left out: outside of the organizations in scope")
    assert said["history"].startswith("Last deleted by the run ")
    assert said["next run"] == "No run creates it."


def test_how_ports_blueprint_differs_is_told_of_the_property_alone(life: Life) -> None:
    past = life.knowledge.past
    body = copy.deepcopy(dict(past.held.blueprints["coder_workspace"]))
    properties = body["schema"]["properties"]
    properties["status"]["title"] = "State"
    del properties["outdated"]
    properties["team"] = {"type": "string", "title": "Team"}
    held = replace(past.held, blueprints={**past.held.blueprints, "coder_workspace": body})
    changed = replace(life.knowledge, past=replace(past, held=held))

    def told(asked: str, topic: str) -> str:
        (answer,) = [each for each in answers(changed, asked) if "coder_workspace." in each.identifier or "#" in asked]
        return " ".join(each.said for each in answer.statements if each.topic == topic)

    assert told("status", "port") == 'Port\'s blueprint differs: title "State" in Port, "Status" here.'
    assert told("coder_workspace.outdated", "port") == "Port's blueprint differs: missing in Port."
    assert told("coder_workspace.name", "port") == "Port's blueprint has it as it is declared."
    assert told("team", "owner") == "Not coderport's: no run reads or writes it."
    assert told(f"{life.ids['running']}#team", "property").startswith("A property of somebody else of workspaces")


def test_a_question_writes_nothing(life: Life) -> None:
    written = (life.lab.port.writes, life.lab.coder.log.writes)
    gathered(life.lab.stack)
    assert (life.lab.port.writes, life.lab.coder.log.writes) == written


@pytest.mark.parametrize(
    ("rule", "properties", "holds"),
    [
        (Rule("status", "=", "running"), {"status": "running"}, True),
        (Rule("status", "=", "running"), {}, False),
        (Rule("status", "in", ("failed", "stopped")), {"status": "stopped"}, True),
        (Rule("status", "in", ("failed", "stopped")), {"status": None}, False),
        (Rule("outdated", "=", True), {"outdated": True}, True),
        (Rule("outdated", "=", True), {"outdated": False}, False),
        (Rule("dormant_at", "isEmpty"), {}, True),
        (Rule("dormant_at", "isEmpty"), {"dormant_at": "2026-01-01"}, False),
        (Rule("dormant_at", "isNotEmpty"), {"dormant_at": "2026-01-01"}, True),
        (Rule("dormant_at", "isNotEmpty"), {"dormant_at": ""}, False),
    ],
)
def test_a_rule_holds_as_in_port(rule: Rule, properties: dict[str, Any], holds: bool) -> None:
    assert rule.holds(properties) is holds


def test_the_command_shows_text_or_one_object(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(life.lab.stack, life.ids["running"], as_object=False) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("workspace ") and "  coder     In Coder" in shown and "undo " in shown
    assert explain(life.lab.stack, "nothing-of-that-name", as_object=True) == 1
    [answer] = json.loads(capsys.readouterr().out)["answers"]
    assert Answer.model_validate(answer).kind == ""
