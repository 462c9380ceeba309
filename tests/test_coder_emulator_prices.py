"""Prices: with them on, answers of the emulated server take as long as measured on a real one. Off, they take none."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from coder_talk import Api, Deploy

from coderport.emulators.coder import prices


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [
        (prices.list_seconds(3_013, 1_000, by_ids=False), 0.74, 1.0),
        (prices.list_seconds(9_365, 1_000, by_ids=False), 0.95, 1.1),
        (prices.list_seconds(9_365, 0, by_ids=False), 0.125, 0.135),
        (prices.list_seconds(9_365, 50, by_ids=True), 0.041, 0.055),
        (prices.workspace_seconds(), 0.012, 0.012),
        (prices.jobs_seconds(3_028, active_only=False), 0.024, 0.026),
        (prices.jobs_seconds(9_400, active_only=False), 0.065, 0.09),
        (prices.jobs_seconds(1_000_000, active_only=False), 0.09, 0.09),
        (prices.jobs_seconds(9_400, active_only=True), 0.005, 0.007),
        (prices.audit_seconds(6_076), 0.2, 0.21),
    ],
)
def test_the_prices_are_those_that_were_measured(seconds: float, least: float, most: float) -> None:
    assert least <= seconds <= most


def took(ask: Callable[[], object]) -> float:
    begun = time.monotonic()
    ask()
    return time.monotonic() - begun


def asked_prices(api: Api) -> list[float]:
    """What each route that has a price is charged with, for the deployment at hand."""
    organization = api.get("/organizations")[0]["id"]
    path = f"/organizations/{organization}/provisionerjobs"
    rows = api.rows(limit=10)
    asked: list[tuple[Callable[[], object], float]] = [
        (lambda: api.get("/workspaces", limit=10), prices.list_seconds(30, 10, by_ids=False)),
        (lambda: api.get("/workspaces", q=f"id:{rows[0]['id']}"), prices.list_seconds(30, 1, by_ids=True)),
        (lambda: api.get(f"/workspaces/{rows[0]['id']}"), prices.workspace_seconds()),
        (lambda: api.get(f"/workspacebuilds/{rows[0]['latest_build']['id']}"), prices.workspace_seconds()),
        (lambda: api.get(path, limit=50), prices.jobs_seconds(1, active_only=False)),
        (lambda: api.get(path, status="pending,running"), prices.jobs_seconds(1, active_only=True)),
    ]
    return [took(ask) - price for ask, price in asked]


def test_a_request_takes_at_least_its_price_where_prices_are_on(deploy: Deploy) -> None:
    api = deploy(workspaces=30, priced=True)
    assert all(over >= 0 for over in asked_prices(api))


def test_prices_are_off_unless_they_are_switched_on(api: Api) -> None:
    assert api.emulator.state.priced is False
    api.emulator.set_prices()
    assert all(over >= 0 for over in asked_prices(api))
    api.emulator.reseed(2, workspaces=5)
    assert api.emulator.state.priced is True
    api.emulator.set_prices(False)
    assert api.emulator.state.priced is False
