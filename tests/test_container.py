"""The image and the compose file, as far as they can be held to anything without docker."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from build_context import ROOT, Stage, context, copied, laid_out, stages
from typed import understood

from coderport.live.settings import ServiceSettings as LiveSettings
from coderport.runner.service.settings import ENVIRONMENT, ServiceSettings
from coderport.settings import Settings

SECRETS = {"CODER_SESSION_TOKEN", "PORT_CLIENT_SECRET", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN"}
IMAGE = stages((ROOT / "Dockerfile").read_text())
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["coderport"]


def environment_of(stage: Stage) -> dict[str, str]:
    return dict(each.split("=", 1) for text in stage.of("ENV") for each in text.split())


def test_every_base_is_pinned_by_digest_and_every_other_stage_is_one_of_ours() -> None:
    ours: set[str] = set()
    for stage in IMAGE:
        assert stage.image in ours or re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", stage.image), stage.image
        ours.add(stage.name)


def test_its_go_builds_the_cli_and_its_python_is_one_that_is_tested() -> None:
    versions = {each.image.partition(":")[0]: re.findall(r"\d+", each.image)[:3] for each in IMAGE if "@" in each.image}
    [asked] = re.findall(r"^go ([\d.]+)$", (ROOT / "engine" / "go.mod").read_text(), re.MULTILINE)
    assert [int(each) for each in versions["golang"]] >= [int(each) for each in asked.split(".")]
    tested = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["tests"]["strategy"]["matrix"]
    assert ".".join(versions["python"][:2]) in tested["python"]


def test_it_runs_as_a_user_without_rights_who_owns_nothing_of_the_program() -> None:
    last = IMAGE[-1]
    [user] = last.of("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)  # a number, which Kubernetes can tell from root
    after = [kind for kind, _ in last.instructions[last.instructions.index(("USER", user)) :]]
    assert not {"RUN", "COPY", "ADD"} & set(after)
    assert not any("chown" in text for kind, text in last.instructions if kind == "COPY")


def test_no_secret_and_no_argument_but_the_version_is_baked_in() -> None:
    assert [text for stage in IMAGE for text in stage.of("ARG")] == ["CODERPORT_VERSION="]
    assert SERVICE["build"]["args"] == {"CODERPORT_VERSION": "${CODERPORT_VERSION:-}"}
    for stage in IMAGE:
        assert not stage.of("ADD")
        assert not SECRETS & set(environment_of(stage))


def test_packages_are_installed_by_the_script_that_asks_for_hashes_and_nothing_else_is_fetched() -> None:
    runs = [text for stage in IMAGE for text in stage.of("RUN")]
    assert [each for each in runs if "requirements" in each] == ["scripts/setup requirements.txt"]
    assert not [each for each in runs if re.search(r"\b(pip|curl|wget|apt|apt-get)\b", each)]
    [builds] = [each for each in runs if "pulumi" in each]
    assert "-m coderport engine &&" in builds  # no --official: what is built is pinned by engine/go.sum


def test_what_is_copied_is_in_the_context_and_from_stages_that_are_there() -> None:
    inside = {str(each) for each in context()}
    names: set[str] = set()
    for stage in IMAGE:
        for text in stage.of("COPY"):
            of, sources = copied(text)
            if of is not None:
                assert of in names
                continue
            for source in sources:
                assert source == "." or source in inside, source
        names.add(stage.name)


def test_the_context_is_the_program_alone() -> None:
    inside = [str(each) for each in context()]
    stacks = re.compile(r"Pulumi(\.[\w-]+)?\.yaml")
    files = {
        "__main__.py",
        "LICENSE",
        "requirements.txt",
        "requirements-build.txt",
        "scripts/setup",
        "deploy/entrypoint",
    }
    for each in inside:
        assert each in files or stacks.fullmatch(each) or each.split("/")[0] in {"coderport", "engine", "plugins"}, each
    assert not [each for each in inside if each.endswith(".pyc")]


def test_the_image_starts_by_its_entrypoint_in_the_folder_of_the_program(tmp_path: Path) -> None:
    """The one real start: the context as the image has it, on nothing but the packages."""
    [entrypoint] = IMAGE[-1].of("ENTRYPOINT")
    [script] = json.loads(entrypoint)
    [home] = [text for stage in IMAGE if stage.name == "base" for text in stage.of("WORKDIR")]
    assert script == f"{home}/deploy/entrypoint"
    folder = laid_out(tmp_path / "image")
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / ".venv" / "bin" / "python").chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "CODERPORT_SECRETS": str(tmp_path), **environment_of(IMAGE[-1])}
    command = [folder / "deploy/entrypoint", *json.loads(IMAGE[-1].of("CMD")[0])]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "serve" in done.stdout, done.stderr
    assert not list(folder.rglob("*.pyc"))  # PYTHONDONTWRITEBYTECODE: a read-only root is no matter


def test_the_image_has_the_version_that_its_build_was_told(tmp_path: Path) -> None:
    """By the very line of the Dockerfile, on the context as the image has it."""
    [line] = [text for text in IMAGE[-1].of("RUN") if "CODERPORT_VERSION" in text]
    folder = laid_out(tmp_path / "image")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    told = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    code = "import coderport; print(coderport.__version__, coderport.RELEASE)"
    seen = []
    for version in ("", "v7.8.9", "v7.8.9-3-g1a2b3c4"):
        subprocess.run(["/bin/sh", "-ec", line.split("&&")[0]], cwd=folder, env={**told, "CODERPORT_VERSION": version})
        done = subprocess.run([python, "-c", code], cwd=folder, env=told, capture_output=True, text=True, check=True)
        seen.append(done.stdout.strip())
    assert seen == ["0.1.0+checkout 0.1.0+checkout", "7.8.9 7.8.9", "7.8.9+3.g1a2b3c4 7.8.9"]


def manifest_of_kubernetes() -> dict[str, Any]:
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    block = re.search(r"^    automountServiceAccountToken.*?(?=^\S)", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    return dict(yaml.safe_load(block[0]))


def test_the_pod_of_the_docs_mounts_no_secret_where_kubernetes_mounts_its_own() -> None:
    """`/run/secrets/kubernetes.io/serviceaccount` below a read-only mount: the container does not start."""
    pod = manifest_of_kubernetes()
    [container] = pod["containers"]
    places = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert set(places) == {each["name"] for each in pod["volumes"]}
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert places["secrets"] == variables["CODERPORT_SECRETS"] and pod["automountServiceAccountToken"] is False
    assert not [place for place in places.values() if place.startswith(("/run", "/var/run"))]
    assert {places["data"]} == set(IMAGE[-1].of("VOLUME")) and places["tmp"] == environment_of(IMAGE[-1])["HOME"]
    assert understood(container["args"])[0] == "serve"
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == IMAGE[-1].of("USER")[0]


def test_the_secrets_of_the_docs_come_out_as_the_container_can_read_them(tmp_path: Path) -> None:
    """The lines as they stand, with a `sudo` that gives files away as root does: the person cannot change them then."""
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"^    mkdir -p secrets.*?(?=^    export)", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "bin").mkdir()
    sudo = tmp_path / "bin" / "sudo"
    sudo.write_text('#!/bin/sh\necho "$@" >>"$LOG"\nshift 2\nfor each; do mv "$each" theirs/; done\n')
    (tmp_path / "theirs").mkdir()
    sudo.chmod(0o755)
    given = {
        "PATH": f"{sudo.parent}{os.pathsep}{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "CODER_SESSION_TOKEN": "a",
        "PORT_CLIENT_SECRET": "b",
        "PULUMI_CONFIG_PASSPHRASE": "c d",
    }
    subprocess.run(["/bin/sh", "-ec", lines], cwd=tmp_path, env=given, check=True)
    names = " ".join(f"secrets/{name}" for name in sorted(COMPOSE["secrets"]))
    assert (tmp_path / "log").read_text() == f"chown 10001 {names}\n"
    files = {each.name: (each.read_text(), each.stat().st_mode & 0o777) for each in (tmp_path / "theirs").iterdir()}
    assert files == {
        "CODER_SESSION_TOKEN": ("a", 0o400),
        "PORT_CLIENT_SECRET": ("b", 0o400),
        "PULUMI_CONFIG_PASSPHRASE": ("c d", 0o400),
    }
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


@pytest.fixture
def entrypoint(tmp_path: Path) -> Path:
    """The entrypoint in front of a Python that prints its environment and its arguments."""
    script = tmp_path / "image" / "deploy" / "entrypoint"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "entrypoint", script)
    python = tmp_path / "image" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nenv | sort\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "secrets").mkdir()
    return script


def test_secrets_that_are_files_become_variables_and_a_variable_that_is_set_stays(
    entrypoint: Path, tmp_path: Path
) -> None:
    for name, text in {
        "PORT_CLIENT_SECRET": "p$(id) 'q' \"\n",
        "CODER_SESSION_TOKEN": "file",
        "..data": "x",
        "a b": "x",
    }.items():
        (tmp_path / "secrets" / name).write_text(text)
    given = {"PATH": os.environ["PATH"], "CODERPORT_SECRETS": str(tmp_path / "secrets"), "CODER_SESSION_TOKEN": "set"}
    done = subprocess.run([entrypoint, "up", "a  b"], env=given, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "PORT_CLIENT_SECRET=p$(id) 'q' \"" in lines and "CODER_SESSION_TOKEN=set" in lines
    assert lines[-4:] == ["-m", "coderport", "up", "a  b"]
    assert done.stderr == ""


def test_without_any_secret_file_the_entrypoint_just_starts(entrypoint: Path, tmp_path: Path) -> None:
    given = {"PATH": os.environ["PATH"], "CODERPORT_SECRETS": str(tmp_path / "nowhere")}
    done = subprocess.run([entrypoint, "--help"], env=given, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "--help"


def test_a_secret_that_cannot_be_read_is_named(entrypoint: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "PORT_CLIENT_SECRET").symlink_to(tmp_path / "gone")  # root reads everything else
    given = {"PATH": os.environ["PATH"], "CODERPORT_SECRETS": str(tmp_path / "secrets")}
    done = subprocess.run([entrypoint, "up"], env=given, capture_output=True, text=True)
    assert done.returncode == 2 and "PORT_CLIENT_SECRET" in done.stderr and "chmod" not in done.stderr


def test_the_service_has_no_rights_and_writes_to_nothing_but_its_volume() -> None:
    assert SERVICE["read_only"] is True and SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "cap_add", "devices", "user"} & set(SERVICE)
    written = environment_of(IMAGE[-1])
    [volume] = SERVICE["volumes"]
    assert volume.split(":")[0] in COMPOSE["volumes"]
    places = [volume.split(":")[1], *(each.split(":")[0] for each in SERVICE["tmpfs"])]
    for name in ("HOME", "PULUMI_HOME", "CODERPORT_SERVE_DATABASE"):
        assert any(written[name] == place or written[name].startswith(f"{place}/") for place in places), name
    assert [volume.split(":")[1]] == IMAGE[-1].of("VOLUME")


def test_ports_are_published_on_this_machine_alone_and_are_those_of_the_services() -> None:
    actions, live = ServiceSettings.model_fields["port"].default, LiveSettings.model_fields["port"].default
    assert SERVICE["ports"] == [f"127.0.0.1:{each}:{each}" for each in (actions, live)]
    assert IMAGE[-1].of("EXPOSE") == [f"{actions} {live}"]


def test_the_service_is_a_command_that_there_is_and_gets_time_to_end() -> None:
    words = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", each) for each in SERVICE["command"]]
    assert understood(words) == ("serve", {"live": True, "stack": "prod", "config": None})
    grace = max(each.model_fields["grace_seconds"].default for each in (ServiceSettings, LiveSettings))
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > grace


def test_secrets_are_files_and_stand_in_no_environment() -> None:
    assert not SECRETS & set(SERVICE["environment"])
    assert set(SERVICE["secrets"]) == set(COMPOSE["secrets"]) <= SECRETS
    assert all(each["file"].endswith(f"/{name}") for name, each in COMPOSE["secrets"].items())
    known = (ROOT / "docs" / "settings.md").read_text() + (ROOT / "docs" / "environment.md").read_text()
    assert all(f"`{name}`" in known for name in SERVICE["environment"])
    assert {name for name in environment_of(IMAGE[-1]) if name.startswith("CODERPORT_SERVE")} <= set(
        ENVIRONMENT.values()
    )


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("actions", "live", "code"), [(200, 200, False), (200, 503, True), (503, 200, True)])
def test_the_health_check_asks_both_services_by_no_proxy(
    actions: int, live: int, code: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    kind, python, option, script = SERVICE["healthcheck"]["test"]
    assert (kind, option) == ("CMD", "-c") and python == "/opt/coderport/.venv/bin/python"
    with answering(actions) as first, answering(live) as second, pytest.raises(SystemExit) as ended:
        exec(script.replace("8080", str(first)).replace("8081", str(second)), {})
    assert ended.value.code is code


def test_what_a_run_keeps_beside_its_state_is_on_the_volume() -> None:
    """The history of runs is below the project's folder by default, and that is read-only in the image."""
    assert Settings.model_fields["history"].default.split("/")[0] == ".coderport"
    [volume] = IMAGE[-1].of("VOLUME")
    assert any(text.endswith(f"ln -s {volume} .coderport") for text in IMAGE[-1].of("RUN"))


def test_pulumi_is_told_a_name_for_a_user_that_the_machine_does_not_know() -> None:
    """Built without cgo it takes $USER where /etc/passwd has no such user, and ends where there is neither."""
    assert environment_of(IMAGE[-1])["USER"]
