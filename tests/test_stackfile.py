"""The settings of a stack without the engine: what is in clear in its file, and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from coderport.errors import SettingsError
from coderport.stackfile import plain_config, stack_settings

FILE = """\
encryptionsalt: v1:abc
config:
  other:key: not ours
  coderport:coderApiBaseUrl: https://coder.example.com
  coderport:coderSessionToken:
    secure: v1:ciphertext
  coderport:excludeTemplates: [legacy-*]
  coderport:actions:
    backend: webhook
    url: https://coderport.example.com/runs
    admins: [root@example.com]
"""
CREDENTIALS = {"CODER_SESSION_TOKEN": "token", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": "secret"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.prod.yaml").write_text(FILE)
    return tmp_path


def test_values_in_clear_come_from_the_file_and_credentials_from_the_environment(folder: Path) -> None:
    settings = stack_settings("prod", folder, CREDENTIALS)
    assert settings.coder_api_base_url == "https://coder.example.com"
    assert settings.exclude_templates == ("legacy-*",)
    assert (settings.actions.backend, settings.actions.admins) == ("webhook", ("root@example.com",))


def test_encrypted_values_are_passed_over(folder: Path) -> None:
    assert "coderSessionToken" not in plain_config(folder / "Pulumi.prod.yaml")
    with pytest.raises(SettingsError, match="CODER_SESSION_TOKEN"):
        stack_settings("prod", folder, {})


def test_a_stack_without_a_file_lives_by_the_environment_alone(tmp_path: Path) -> None:
    settings = stack_settings("none", tmp_path, {**CREDENTIALS, "CODER_API_BASE_URL": "https://coder.example.com"})
    assert settings.actions.backend == "off"


@pytest.mark.parametrize("text", ["[1, 2]", "config: nonsense", "a: ]"])
def test_a_file_that_is_no_stack_s_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"Pulumi\.prod\.yaml"):
        stack_settings("prod", tmp_path, CREDENTIALS)
