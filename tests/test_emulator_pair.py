"""Coder and Port side by side, and the server that controls both."""

from __future__ import annotations

import json

import httpx
import pytest

from coderport.emulators.kit import EmulatorError
from coderport.emulators.pair import Pair


def test_a_pair_says_how_to_reach_both_and_is_controlled_apart() -> None:
    with Pair(seed=5, workspaces=7, templates=2) as pair:
        said = pair.describe()
        assert set(said) == {
            "coder_url",
            "coder_token",
            "port_url",
            "port_client_id",
            "port_client_secret",
            "control_url",
        }
        listed = httpx.get(
            f"{said['coder_url']}/api/v2/workspaces", headers={"Coder-Session-Token": said["coder_token"]}, timeout=300
        )
        assert listed.json()["count"] == 7
        assert httpx.get(f"{said['control_url']}/coder/requests", timeout=300).json()["total"] == 1
        assert httpx.get(f"{said['control_url']}/port/requests", timeout=300).json()["total"] == 0
        assert said["coder_token"] not in pair.banner()
        assert said["port_client_secret"] not in pair.banner()
        json.dumps(said)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{said['control_url']}/coder/requests", timeout=300)


def test_a_taken_port_stops_what_was_started() -> None:
    with Pair() as pair:
        taken = int(pair.control_url.rpartition(":")[2])
        with pytest.raises(EmulatorError, match=str(taken)):
            Pair(control_port=taken)
