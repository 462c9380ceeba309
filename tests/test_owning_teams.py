"""Which blueprint gets an ownership, and what is said where it gets none."""

from __future__ import annotations

from typing import Any

import pytest

from coderport.catalog.agreement import differences
from coderport.catalog.blueprint import to_port
from coderport.errors import SettingsError
from coderport.kinds.all import ALWAYS, OWNERSHIPS, blueprints_of, kinds_asked, kinds_of
from coderport.kinds.workspace import WORKSPACE
from coderport.planning.owning_teams import notes_on_ownership, owned_by_teams
from coderport.settings import Settings, load_settings

W = WORKSPACE.identifier
OURS = OWNERSHIPS[W].to_port()
WITH_USERS = blueprints_of(kinds_of(("users",)))


def settings_with(**more: Any) -> Settings:
    config = {"coderApiBaseUrl": "https://coder.example.com", "portClientId": "client", **more}
    return load_settings(config, {"CODER_SESSION_TOKEN": "0123456789-abc", "PORT_CLIENT_SECRET": "secret"})


def given(live: dict[str, Any] | None, **settings: Any) -> Any:
    """The ownership that the blueprint of workspaces gets beside `live`, and the notes."""
    chosen = settings_with(kinds=["users"], **{"owningTeams": True, **settings})
    in_port = {} if live is None else {W: live}
    found = owned_by_teams(WITH_USERS, chosen, in_port)
    assert all(each.ownership is None for each in found if each.identifier != W)
    (workspace,) = (each for each in found if each.identifier == W)
    return workspace.ownership, list(notes_on_ownership(found, chosen, in_port))


@pytest.mark.parametrize(
    "live", [None, {}, {"ownership": None}, {"ownership": OURS}, {"ownership": {**OURS, "title": "x"}}]
)
def test_a_blueprint_without_another_ownership_gets_ours(live: dict[str, Any] | None) -> None:
    assert given(live) == (OWNERSHIPS[W], [])


@pytest.mark.parametrize(
    ("live", "how"),
    [
        ({"ownership": {"type": "Direct"}}, "direct"),
        ({"ownership": {"type": "Inherited", "path": "template_id"}}, "inherited"),
        ({"teamInheritance": {"path": "owner"}}, "inherited"),
    ],
)
def test_somebody_elses_stays_and_is_said(live: dict[str, Any], how: str) -> None:
    ownership, (note,) = given(live)
    assert ownership is None
    assert f"The blueprint coder_workspace has {how} ownership in Port" in note


def test_without_the_setting_and_in_a_stack_that_only_uses_blueprints_there_is_none() -> None:
    assert given({}, owningTeams=False) == (None, [])
    assert given({"ownership": {"type": "Direct"}}, blueprints="use") == (None, [])


def test_it_needs_users_and_says_how_to_have_them() -> None:
    for kinds, meant in (("default", "users"), (["groups"], "groups,users")):
        with pytest.raises(SettingsError) as raised:
            kinds_asked(settings_with(kinds=kinds, owningTeams=True))
        assert "coderport:kinds must name users, by whom coderport:owningTeams finds the teams" in str(raised.value)
        assert f"coderport:kinds {meant}" in str(raised.value)
    assert kinds_asked(settings_with(kinds=["user"], owningTeams=True)) == kinds_of(("users",))


def test_what_differs_is_told_in_words() -> None:
    (blueprint,) = owned_by_teams([WORKSPACE], settings_with(kinds=["users"], owningTeams=True), {})
    assert to_port(blueprint)["ownership"] == OURS
    (found,) = differences(blueprint, to_port(WORKSPACE))
    assert str(found) == (
        'coder_workspace: ownership none in Port, "type Inherited, path owner.port_user, title Owning Teams" here'
    )


def test_stacks_that_do_not_ask_declare_what_they_declared() -> None:
    assert all("ownership" not in to_port(each) for each in ALWAYS)
