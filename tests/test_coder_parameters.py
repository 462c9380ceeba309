"""Reading what templates ask for, from answers as Coder gives them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from catalog_samples import VERSION, numbered, template

from coderport.coder import errors
from coderport.coder.client import CoderClient
from coderport.coder.models import Template, read_as
from coderport.coder.parameters import Preset, RichParameter, TemplateForm, read_forms
from coderport.emulators.coder import CoderEmulator

PARAMETERS = f"/api/v2/templateversions/{VERSION}/rich-parameters"
PRESETS = f"/api/v2/templateversions/{VERSION}/presets"

# As a real Coder 2.20.0 answered it.
CPU: dict[str, Any] = {
    "name": "cpu",
    "display_name": "CPUs",
    "description": "",
    "description_plaintext": "",
    "type": "number",
    "mutable": True,
    "default_value": "2",
    "icon": "",
    "options": [],
    "validation_min": 1,
    "validation_max": 16,
    "required": False,
    "ephemeral": False,
}
SMALL = {
    "ID": numbered(1),
    "Name": "Small",
    "Parameters": [{"Name": "cpu", "Value": "1"}],
    "Default": True,
    "DesiredPrebuildInstances": None,
    "Description": "For reviews",
    "Icon": "",
}


def forms(answers: dict[str, tuple[int, Any]], *templates: Template) -> dict[str, TemplateForm]:
    def handler(request: httpx.Request) -> httpx.Response:
        status, body = answers.get(request.url.path, (404, {"message": "Resource not found"}))
        return httpx.Response(status, content=json.dumps(body), headers={"content-type": "application/json"})

    async def run() -> dict[str, TemplateForm]:
        async with CoderClient(
            "https://coder.example.com", "a-token", transport=httpx.MockTransport(handler)
        ) as client:
            return dict(await read_forms(client, templates or [template()]))

    return asyncio.run(run())


def test_a_form_holds_the_parameters_and_presets_of_the_active_version() -> None:
    found = forms({PARAMETERS: (200, [CPU]), PRESETS: (200, [SMALL])})[template().id]
    assert (found.version_id, found.readable) == (VERSION, True)
    (cpu,) = found.parameters
    assert (cpu.title, cpu.type, cpu.validation_min, cpu.validation_max, cpu.mutable) == ("CPUs", "number", 1, 16, True)
    (small,) = found.presets
    assert (small.id, small.name, small.default, small.description) == (numbered(1), "Small", True, "For reviews")
    assert [(each.name, each.value) for each in small.parameters] == [("cpu", "1")]


@pytest.mark.parametrize(
    ("presets", "names"),
    [
        ((200, None), []),
        ((200, []), []),
        ((404, {"message": "Route not found."}), []),
        ((200, [{"id": numbered(2), "name": "Old", "parameters": None}]), ["Old"]),
        ((200, [{**SMALL, "Parameters": None}]), ["Small"]),
    ],
)
def test_presets_may_be_null_absent_or_in_lower_case(presets: tuple[int, Any], names: list[str]) -> None:
    found = forms({PARAMETERS: (200, [CPU]), PRESETS: presets})[template().id]
    assert [each.name for each in found.presets] == names


def test_a_version_that_coder_does_not_know_has_no_form() -> None:
    found = forms({})[template().id]
    assert not found.readable
    assert found.parameters == ()


def test_a_version_that_is_still_imported_stops_the_read_and_is_named() -> None:
    with pytest.raises(errors.VersionImporting, match=f"active version {VERSION} of the template docker"):
        forms({PARAMETERS: (425, {"message": "Template version job has not finished."})})


@pytest.mark.parametrize(("status", "error"), [(401, errors.CoderUnauthorized), (403, errors.CoderForbidden)])
def test_a_read_that_is_refused_fails(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        forms({PARAMETERS: (status, {"message": "no"})})


def test_a_malformed_parameter_fails_without_showing_it() -> None:
    with pytest.raises(errors.CoderAnswerError) as raised:
        forms({PARAMETERS: (200, [{"default_value": "hunter2"}])})
    assert "name" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_null_is_absent() -> None:
    row = {"name": "x", "options": None, "validation_min": None, "validation_regex": None, "required": None}
    assert read_as(RichParameter, row) == RichParameter(name="x")
    with pytest.raises(errors.CoderAnswerError):
        read_as(Preset, {"ID": "no uuid", "Name": "x"})


def test_the_emulators_templates_have_forms() -> None:
    emulator = CoderEmulator()

    async def run(read: Callable[[CoderClient], Any]) -> Any:
        transport = httpx.ASGITransport(emulator.app)
        async with CoderClient("http://127.0.0.1:1", emulator.token, transport=transport) as client:
            return await read(client)

    async def read(client: CoderClient) -> Any:
        templates = await client.templates()
        return templates, await read_forms(client, templates), client.requests

    templates, found, requests = asyncio.run(run(read))
    assert templates
    assert set(found) == {each.id for each in templates}
    assert all(form.readable for form in found.values())
    assert requests == 1 + 2 * len(templates)
    assert any(form.parameters for form in found.values())
