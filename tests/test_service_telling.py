"""What the webhook service tells: figures, a log, its settings."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from service_lab import (
    ONE,
    SECRET,
    Stage,
    compact,
    ended,
    looped,
    refused,
    service,
    signed,
)

from coderport.errors import CoderportError, SettingsError
from coderport.runner.service.logs import JsonLines
from coderport.runner.service.metrics import REFUSALS, Metrics
from coderport.runner.service.settings import ENVIRONMENT, ServiceSettings, service_settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "actions.md"


@looped
async def test_metrics_are_in_the_text_format_with_every_reason_at_zero(tmp_path: Path) -> None:
    async with service(Stage(), tmp_path) as caller:
        answer = await caller.client.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        figures = await caller.figures()
    assert {figures[refused(reason)] for reason in REFUSALS} == {0.0}
    assert not [name for name in figures if "_created" in name]


def test_the_page_on_actions_lists_exactly_the_metrics() -> None:
    listed = re.findall(r"^\| `(coderport_\w+)[^|]*` \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert set(listed) == set(re.findall(r"^# TYPE (\w+) (\w+)$", Metrics().exposition().decode(), re.MULTILINE))


@looped
async def test_the_log_has_one_line_of_json_for_each_event_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(failures=[ValueError(f"the token {SECRET}\nis wrong"), CoderportError("Port is away")])
    body = compact({"run_id": ONE, "note": "private\nnote"})
    async with service(stage, tmp_path, pause=lambda attempt: 0.0) as caller:
        once = signed(body)
        for headers in (once, once, signed(body, secret="guess"), {}):
            await caller.client.post("/runs", content=body, headers=headers)
        stage.go.set()
        await caller.until(ended("success"), 1)
    text = [JsonLines().format(record) for record in caplog.records if record.name.startswith(("coderport", "uvicorn"))]
    lines = [json.loads(line) for line in text]
    assert not [line for line in text if "\n" in line or SECRET in line or "private" in line or "v1," in line]
    events = [line["event"] for line in lines if line.get("run_id") == ONE]
    assert events == ["run taken on", "attempt broke off", "attempt broke off", "run ended"]
    assert [line["reason"] for line in lines if "reason" in line] == ["replayed", "forged", "unsigned"]
    broken = [line for line in lines if line["event"] == "attempt broke off"]
    assert [line["error"] for line in broken] == ["ValueError", "CoderportError"]
    assert [line.get("message") for line in broken] == [None, "Port is away"]
    assert broken[0]["at"][-1].startswith("service_lab.py:")


def test_settings_come_from_the_environment_and_all_mistakes_are_told_at_once() -> None:
    given = {"PORT_CLIENT_SECRET": SECRET, "CODERPORT_SERVE_DATABASE": "/data/runs", "CODERPORT_SERVE_WORKERS": "3"}
    found = service_settings(given)
    assert (found.database, found.secret.get_secret_value(), found.workers) == (Path("/data/runs"), SECRET, 3)
    assert SECRET not in repr(found)
    with pytest.raises(SettingsError) as caught:
        service_settings({"PORT_CLIENT_SECRET": SECRET, "CODERPORT_SERVE_PORT": "x", "CODERPORT_SERVE_WORKERS": "0"})
    for name in ("CODERPORT_SERVE_DATABASE", "CODERPORT_SERVE_PORT", "CODERPORT_SERVE_WORKERS"):
        assert name in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_page_on_actions_lists_exactly_the_settings_and_their_defaults() -> None:
    listed = re.findall(r"^\| `(CODERPORT_SERVE_\w+)` \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE)
    fields = {ENVIRONMENT[name]: field for name, field in ServiceSettings.model_fields.items()}
    assert {name: text.strip("` ") for name, text in listed} == {
        name: "required"
        if field.is_required()
        else f"{field.default:g}"
        if isinstance(field.default, float)
        else str(field.default)
        for name, field in fields.items()
        if name != "PORT_CLIENT_SECRET"  # the stack's
    }
