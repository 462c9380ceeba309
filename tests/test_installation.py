"""Which of Port's integrations dispatches the workflow: the one that is named, or else the only one for GitHub."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from settings_samples import SERVERS

from coderport.emulators.port import PortEmulator
from coderport.errors import SettingsError
from coderport.planning.installation import installation_of, note_of
from coderport.port.client import PortClient
from coderport.port.errors import PortError
from coderport.port.integrations import Integration, Integrations
from coderport.settings import load_settings

ROOT = Path(__file__).parents[1]

Install = Callable[[PortEmulator], object]


def found(emulator: PortEmulator, named: str | None = None) -> Integration:
    actions = {"backend": "github", "repository": "acme/platform", **({"installationId": named} if named else {})}
    settings = load_settings({**SERVERS, "actions": actions}, {}, stack="dev")

    async def ask() -> Integration:
        transport = httpx.ASGITransport(emulator.app)
        client = PortClient("http://port", emulator.client_id, emulator.client_secret, transport=transport)
        async with client:
            return await installation_of(settings, Integrations(client))

    return asyncio.run(ask())


def refusal(emulator: PortEmulator, named: str | None = None) -> str:
    with pytest.raises(SettingsError) as raised:
        found(emulator, named)
    assert "Nothing was written." in str(raised.value)
    return str(raised.value)


def test_the_only_one_for_github_needs_no_setting() -> None:
    emulator = PortEmulator()
    emulator.put_integration("pipelines", "gitlab")
    assert found(emulator).installation_id == "github-ocean"


def test_one_that_does_not_carry_out_actions_does_not_stand_in_the_way_of_one_that_does() -> None:
    emulator = PortEmulator()
    emulator.put_integration("reading", processes_actions=False)
    assert found(emulator).installation_id == "github-ocean"


def test_without_one_the_remedy_is_to_install_it() -> None:
    text = refusal(PortEmulator(integrations=()))
    assert "no GitHub integration" in text and "Install it in Port" in text and "docs/actions.md" in text


def test_of_several_one_has_to_be_chosen_by_a_line_that_can_be_pasted() -> None:
    emulator = PortEmulator(integrations=("us", "eu"))
    lines = refusal(emulator).splitlines()
    assert lines[-2:] == [
        "  python -m coderport pulumi -- config set --stack dev --path coderport:actions.installationId eu",
        "  python -m coderport pulumi -- config set --stack dev --path coderport:actions.installationId us",
    ]
    assert found(emulator, "us").installation_id == "us"


@pytest.mark.parametrize("name", ["my int; echo x", "4711", "true", "-7", "--secret", "it's", "$HOME"])
def test_the_line_that_chooses_one_sets_its_name_as_a_text(name: str) -> None:
    emulator = PortEmulator(integrations=("eu", name))
    line = next(each for each in refusal(emulator).splitlines() if each.startswith("  ") and not each.endswith(" eu"))
    words = shlex.split(line)
    assert words[-1] == name
    assert ("--type string" in line) == (name in ("4711", "true", "-7")), line
    assert ("--" in words[words.index("config") :]) == name.startswith("-"), line


def test_the_page_that_the_installation_is_told_by_has_that_part() -> None:
    page, _, anchor = next(
        word for word in refusal(PortEmulator(integrations=())).split() if word.startswith("docs/actions.md")
    ).partition("#")
    headings = [line.lstrip("# ") for line in (ROOT / page).read_text().splitlines() if line.startswith("#")]
    at = [heading.lower().replace("'", "").replace(" ", "-") for heading in headings].index(anchor)
    assert headings[at] == "Port's GitHub integration"


def test_one_that_is_named_must_be_there() -> None:
    text = refusal(PortEmulator(), "gone")
    assert "no integration gone" in text
    assert (
        text.splitlines()[-1]
        == "  python -m coderport pulumi -- config set --stack dev --path coderport:actions.installationId github-ocean"
    )
    assert "none for GitHub" in refusal(PortEmulator(integrations=()), "gone")


def of_another_kind(emulator: PortEmulator) -> None:
    emulator.put_integration("named", "gitlab")


def that_processes_no_actions(emulator: PortEmulator) -> None:
    emulator.put_integration("named", processes_actions=False)


def that_is_self_hosted_and_processes_none(emulator: PortEmulator) -> None:
    emulator.put_integration("named", processes_actions=False, hears_events=None)


@pytest.mark.parametrize(
    ("install", "words"),
    [
        (of_another_kind, ("of the kind gitlab", "github-ocean")),
        (that_processes_no_actions, ("does not process actions", "OCEAN__ACTIONS_PROCESSOR__ENABLED=true")),
        (that_is_self_hosted_and_processes_none, ("does not process actions", "actionsProcessor.enabled=true")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_that_could_not_carry_out_a_run_is_refused(install: Install, words: tuple[str, ...]) -> None:
    emulator = PortEmulator(integrations=())
    install(emulator)
    text = refusal(emulator, "named")
    assert all(each in text for each in words), text


def test_an_identifier_with_a_slash_stays_one_identifier() -> None:
    assert "no integration a/b" in refusal(PortEmulator(), "a/b")


def test_live_events_that_are_off_are_worth_a_note_and_stop_nothing() -> None:
    emulator = PortEmulator(integrations=())
    emulator.put_integration("github", hears_events=False)
    assert "Live events are off" in (note_of(found(emulator)) or "")
    for hears in (True, None):
        emulator.put_integration("github", hears_events=hears)
        assert note_of(found(emulator)) is None


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"identifier": "a"}, Integration("a")),
        (
            {"installationId": "a", "identifier": "b", "installationAppType": "github-ocean"},
            Integration("a", "github-ocean"),
        ),
        ({"installationId": "a", "actionsProcessingEnabled": False}, Integration("a", None, False)),
        (
            {"installationId": "a", "spec": {"appSpec": {"actionsProcessingEnabled": True}}},
            Integration("a", None, True),
        ),
        ({"installationId": "a", "spec": None, "installationAppType": ""}, Integration("a")),
    ],
)
def test_an_answer_may_leave_out_what_port_does_not_know(row: dict[str, Any], expected: Integration) -> None:
    assert Integration.from_json(row) == expected


def test_an_integration_without_an_id_is_no_answer() -> None:
    with pytest.raises(PortError):
        Integration.from_json({"title": "GitHub"})
