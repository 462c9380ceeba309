"""Routes of what a version was imported from, and of the state that a build left."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping

from starlette.responses import Response

from coderport.emulators.coder.build_routes import build_of
from coderport.emulators.coder.http import Call, Refused, bytes_response, not_found
from coderport.emulators.coder.records import Build, Parameter, Version
from coderport.emulators.coder.state import State
from coderport.emulators.coder.written import derived_id


def get_file(call: Call) -> Response:
    """``GET /files/{file}``: the sources as tar, or with ``format=zip`` as zip; 404 to who may not change templates."""
    id, state = call.id("file"), call.state
    version = next((found for found in state.versions.values() if derived_id(found.id, "file") == id), None)
    if version is None:
        raise not_found()
    template = state.templates[version.template_id]
    if not (call.subject.may("read", "file", id=id) or call.subject.may_template("update", template)):
        raise not_found()
    wanted = call.query.get("format", "")
    if wanted not in ("", "zip"):
        raise Refused(400, f'Unsupported conversion format "{wanted}"')
    sources = _sources(state, version)
    if wanted == "zip":
        return Response(_zip(sources), headers={"content-type": "application/zip"})
    return Response(_tar(sources, version), headers={"content-type": "application/x-tar"})


def _sources(state: State, version: Version) -> Mapping[str, bytes]:
    blocks = ['terraform {\n  required_providers {\n    coder = {\n      source = "coder/coder"\n    }\n  }\n}\n']
    blocks += [_parameter(parameter) for parameter in version.parameters]
    blocks += [f'resource "{spec.type}" "{spec.name}" {{\n}}\n' for spec in version.resources]
    return {"README.md": version.readme.encode(), "main.tf": "\n".join(blocks).encode()}


def _parameter(parameter: Parameter) -> str:
    settings: dict[str, object] = {"name": parameter.name, "type": parameter.type, "mutable": parameter.mutable}
    if parameter.display_name:
        settings["display_name"] = parameter.display_name
    if not parameter.required:
        settings["default"] = parameter.default_value
    if parameter.ephemeral:
        settings["ephemeral"] = True
    lines = [f"  {key} = {json.dumps(value)}" for key, value in settings.items()]
    for option in parameter.options:
        lines.append(f"  option {{\n    name = {json.dumps(option.name)}\n    value = {json.dumps(option.value)}\n  }}")
    rules = {
        "min": parameter.validation_min,
        "max": parameter.validation_max,
        "regex": parameter.validation_regex or None,
        "monotonic": parameter.validation_monotonic or None,
        "error": parameter.validation_error or None,
    }
    given = [f"    {key} = {json.dumps(value)}" for key, value in rules.items() if value is not None]
    if given:
        lines.append("\n".join(["  validation {", *given, "  }"]))
    label = derived_id(parameter.name, "label")[:8]
    return "\n".join([f'data "coder_parameter" "p_{label}" {{', *lines, "}\n"])


def _tar(sources: Mapping[str, bytes], version: Version) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in sources.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, int(version.created_at.timestamp())
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _zip(sources: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sources.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def get_state(call: Call) -> Response:
    """``GET /workspacebuilds/{build}/state``: for who may change the template; 404 to others."""
    state, build = call.state, build_of(call)
    template = state.templates[state.versions[build.version_id].template_id]
    if not call.subject.may_template("update", template):
        raise not_found()
    return bytes_response(provisioner_state(state, build))


def provisioner_state(state: State, build: Build) -> bytes:
    """The state that a build left: what was pushed with it, or one that names its resources; empty where none is."""
    if build.state is not None:
        return build.state
    if build.job_status != "succeeded" or build.transition == "delete":
        return b""
    made = [spec for spec in state.versions[build.version_id].resources if build.transition == "start" or spec.kept]
    return json.dumps(
        {
            "version": 4,
            "terraform_version": "1.10.5",
            "serial": build.number,
            "lineage": build.workspace_id,
            "outputs": {},
            "resources": [
                {"mode": "managed", "type": spec.type, "name": spec.name,
                 "instances": [{"attributes": {"id": derived_id(build.workspace_id, spec.name)}}]}
                for spec in made
            ],
        }
    ).encode()  # fmt: skip
