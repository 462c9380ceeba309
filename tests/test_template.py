"""The Pulumi template: what `init` writes, as `pulumi new` makes a project of it with the real CLI.

`pulumi new` asks Pulumi's language host for Python which options a project has, and has it install the packages. The
CLI that is built here comes without that host (the official one has it). One stands in for it that has no options and
installs nothing; all the rest is the CLI's own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import yaml
from at_terminal import Terminal

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.project import foreign
from coderport.setup.files import TEMPLATE, files_of, template_files
from coderport.setup.values import ALL

ROOT = Path(__file__).resolve().parents[1]

LANGUAGE_HOST = """
import concurrent.futures, grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

class Host(language_pb2_grpc.LanguageRuntimeServicer):
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="3.0.0")
    def RuntimeOptionsPrompts(self, request, context):
        return language_pb2.RuntimeOptionsResponse()
    def Template(self, request, context):
        return language_pb2.TemplateResponse()
    def GetRequiredPackages(self, request, context):
        return language_pb2.GetRequiredPackagesResponse()
    def InstallDependencies(self, request, context):
        yield language_pb2.InstallDependenciesResponse(stdout=b"installed " + request.info.program_directory.encode())

server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


def text_of(files: Path) -> dict[str, tuple[str, bool]]:
    return {
        str(each.relative_to(files)): (each.read_text(encoding="utf-8"), os.access(each, os.X_OK))
        for each in files.rglob("*")
        if each.is_file() and each.suffix != ".pyc"
    }


def test_the_template_is_what_the_script_writes(tmp_path: Path) -> None:
    for _ in range(2):
        for file in template_files(tmp_path):
            file.write()
    assert text_of(ROOT / TEMPLATE) == text_of(tmp_path), "run .venv/bin/python scripts/write_template.py"


def test_it_has_the_files_of_init_and_asks_for_the_values_of_init(tmp_path: Path) -> None:
    files = {str(each.path.relative_to(tmp_path)): each for each in files_of(tmp_path, "x")}
    template = {str(each.path.relative_to(tmp_path)): each for each in template_files(tmp_path)}
    assert template.keys() == files.keys() | {"requirements.txt", ".gitignore"}
    for name in files.keys() - {"Pulumi.yaml"}:
        assert template[name] == files[name]
    ours, read = yaml.safe_load(files["Pulumi.yaml"].text), yaml.safe_load(template["Pulumi.yaml"].text)
    asked = read.pop("template")["config"]
    assert {**read, "name": "x", "description": ours["description"]} == ours
    assert list(asked) == [f"coderport:{each.key}" for each in ALL]
    assert {key for key, each in asked.items() if each.get("secret")} == {
        "coderport:coderSessionToken",
        "coderport:portClientSecret",
    }


def test_pulumi_new_makes_a_project_that_a_preview_accepts(tmp_path: Path, cli: CliInfo) -> None:
    host = tmp_path / "bin" / "pulumi-language-python"
    host.parent.mkdir()
    (host.parent / "host.py").write_text(LANGUAGE_HOST)
    host.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(host.parent / 'host.py'))}\n")
    host.chmod(0o755)
    folder = tmp_path / "our catalog"
    folder.mkdir()
    (tmp_path / "state").mkdir()
    environment = {
        "PATH": os.pathsep.join([str(host.parent), str(cli.path.parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "theirs",
        "TERM": "xterm",
    }
    coderport = [sys.executable, "-m", "coderport", "--cwd", str(folder)]
    with Pair(seed=3, workspaces=2, templates=1) as pair:
        values = {
            "Coder's address": ("coderApiBaseUrl", pair.coder_url),
            "A Coder token": ("coderSessionToken", pair.coder.token),
            "Port's address": ("portBaseUrl", pair.port_url),
            "Port's client id": ("portClientId", pair.port.client_id),
            "Port's client secret": ("portClientSecret", pair.port.client_secret),
        }
        new = ["pulumi", "--", "new", str(ROOT / TEMPLATE), "--name", "our-portal", "--stack", "dev", "--offline"]
        terminal = Terminal([*coderport, *new], ROOT, environment)
        terminal.says("Project description")
        terminal.types("Ours: all of it\r")
        for question, (_, value) in values.items():
            terminal.says(question)
            terminal.types(f"{value}\r")
        terminal.says(f"installed {folder}")
        terminal.says("Your new project is ready to go!")
        assert terminal.ended() == 0
        assert foreign(folder) == "" and os.access(folder / "plugins/port/pulumi-resource-port", os.X_OK)
        described = yaml.safe_load((folder / "Pulumi.yaml").read_text())
        assert (described["name"], described["description"]) == ("our-portal", "Ours: all of it")
        assert "template" not in described
        stack = yaml.safe_load((folder / "Pulumi.dev.yaml").read_text())["config"]
        assert stack.keys() == {f"coderport:{key}" for key, _ in values.values()}
        secret = {key for key, value in stack.items() if isinstance(value, dict)}
        assert secret == {"coderport:coderSessionToken", "coderport:portClientSecret"}
        done = subprocess.run(
            [*coderport, "preview", "--stack", "dev"],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0 and "changes in " in done.stdout, done.stdout + done.stderr
