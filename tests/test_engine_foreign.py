"""A state that holds what another program has made: no run deletes any of it, and the remedy that is printed works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from lab import laboratory

from coderport.commands.sync import sync
from coderport.engine import CliInfo

DATABASE = "urn:pulumi:lab::coderport::acme:infra:Database::production-db"


def test_a_resource_that_coderport_never_declares_is_kept_by_every_run(tmp_path: Path, cli: CliInfo) -> None:
    with laboratory(tmp_path, cli, workspaces=2, templates=1) as lab:

        def given_a_database() -> None:
            deployment = lab.stack.state()
            resources = [*deployment["resources"], {"urn": DATABASE, "custom": False, "type": "acme:infra:Database"}]
            file = tmp_path / "given.json"
            file.write_text(json.dumps({"version": 3, "deployment": {**deployment, "resources": resources}}))
            lab.pulumi("stack", "import", "--file", str(file), "--stack", "lab")

        def keeps_it() -> str:
            message = lab.refused().message
            assert "holds 1 resource of types that coderport never declares" in message
            assert "acme:infra:Database production-db" in message
            assert DATABASE in {each["urn"] for each in lab.stack.state()["resources"]}
            return message

        given_a_database()  # before anything of ours is in the state: as where somebody else's stack is taken for ours
        message = keeps_it()
        assert lab.refused(lambda: sync(lab.stack)).message == message
        [remedy] = re.findall(r"pulumi -- (state delete .*)$", message, re.MULTILINE)
        lab.pulumi(*shlex.split(remedy))
        lab.up()
        given_a_database()  # and once more into a stack of ours
        keeps_it()
        assert lab.ids() == lab.coder.workspace_ids()
