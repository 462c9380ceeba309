"""Settings, parameters and a template's form for the tests of the actions."""

from __future__ import annotations

from typing import Any

from catalog_samples import TEMPLATE_ID, VERSION

from coderport.coder.parameters import Preset, RichParameter, TemplateForm
from coderport.settings import Actions

DEPLOYMENT = "3c1b5a52-8a60-4b0d-8f1f-3a2a0d1b6d11"


def settings(**fields: Any) -> Actions:
    """Settings with the GitHub backend, with these fields changed."""
    return Actions(**{"backend": "github", "repository": "acme/platform", **fields})


def parameter(name: str = "cpu", **fields: Any) -> RichParameter:
    """A parameter as Coder sends it: an optional, mutable text unless the fields say otherwise."""
    return RichParameter.model_validate({"name": name, "type": "string", "mutable": True, **fields})


def options(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Options as Coder sends them, from (name, value)."""
    return [{"name": name, "value": value, "description": "", "icon": ""} for name, value in pairs]


EVERY_KIND: tuple[RichParameter, ...] = (
    parameter("title", display_name="Title", description="Shown to people", default_value="mine"),
    parameter("cpu", type="number", default_value="2", validation_min=1, validation_max=16, form_type="slider"),
    parameter("gpu", type="bool", default_value="true", form_type="switch"),
    parameter(
        "region", default_value="eu", options=options(("Europe", "eu"), ("United States", "us")), form_type="radio"
    ),
    parameter("tags", type="list(string)", default_value='["a","b"]', form_type="tag-select"),
    parameter(
        "ides",
        type="list(string)",
        default_value='["code"]',
        options=options(("VS Code", "code"), ("IDEA", "idea")),
        form_type="multi-select",
    ),
    parameter("zone", mutable=False, default_value="a"),
    parameter("reset", type="bool", default_value="false", ephemeral=True),
    parameter("owner", required=True),
    parameter("repo", validation_regex="^[a-z/]+$", validation_error="lowercase only"),
    parameter("disk", type="number", default_value="10", validation_monotonic="increasing"),
    parameter("startup script", default_value="echo\nhello", form_type="textarea"),
)
"""One parameter of each kind that a template can have."""

PRESETS: tuple[Preset, ...] = (
    Preset.model_validate(
        {
            "ID": "00000000-0000-4000-8000-000000000001",
            "Name": "Small",
            "Description": "For a small change",
            "Default": True,
            "Parameters": [{"Name": "cpu", "Value": "2"}],
        }
    ),
    Preset.model_validate({"ID": "00000000-0000-4000-8000-000000000002", "Name": "Large", "Parameters": None}),
)


def form(
    parameters: tuple[RichParameter, ...] = EVERY_KIND, presets: tuple[Preset, ...] = (), template_id: str = TEMPLATE_ID
) -> TemplateForm:
    """What the sample template's active version asks for."""
    return TemplateForm(template_id, VERSION, parameters, presets)
