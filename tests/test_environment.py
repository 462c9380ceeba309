"""A company's environment around every command: proxies, certificates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from checkout import Checkout
from network import Proxy, proxy_to

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.loopback import NAMES

COMMANDS = ("up", "preview", "preview --fast", "sync", "drift")
PASSWORD = "pr0xyPass"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cli: CliInfo) -> Iterator[Checkout]:
    """A checkout whose stack `corp` is converged; no test here changes Coder."""
    with Pair(seed=5, workspaces=5, templates=2) as pair:
        made = Checkout(tmp_path_factory.mktemp("environment"), cli, pair)
        made.json("up", "--stack", "corp")
        yield made


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxy_to() as running:
        yield running


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("capital", [False, True])
def test_no_command_asks_a_proxy_for_this_machine(
    command: str, capital: bool, checkout: Checkout, proxy: Proxy
) -> None:
    names = ["http_proxy", "https_proxy", "all_proxy"]
    address = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
    variables = {name.upper() if capital else name: address for name in names}
    done = checkout.run(*command.split(), "--stack", "corp", **variables, NO_PROXY="[::1],fd00::/8,.corp")
    assert done.returncode == 0, done.stdout + done.stderr
    assert proxy.seen == []
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_certificates_that_are_not_there_are_one_message_in_every_command(command: str, checkout: Checkout) -> None:
    file = checkout.folder / "summary.json"
    arguments = (*command.split(), "--stack", "corp", "--summary", str(file))
    done = checkout.run(*arguments, SSL_CERT_FILE="/etc/ssl/corp-ca.pem")
    assert done.returncode == 2, done.stdout + done.stderr
    said = "SSL_CERT_FILE names /etc/ssl/corp-ca.pem, which cannot be read: No such file or directory."
    assert done.stdout.count(said) == 1 and "Traceback" not in done.stdout + done.stderr
    summary = json.loads(file.read_text())
    file.unlink()
    assert summary["result"] == "failed" and summary["message"].startswith(said)


def test_every_python_of_the_environment_spares_this_machine_before_a_program_runs() -> None:
    """Pulumi's language host connects to the engine before the program's first line: `scripts/setup` sees to it."""
    program = "import os; print(os.environ['no_proxy'])"
    environment = {**os.environ, "http_proxy": "http://proxy.corp:3128"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ",".join(NAMES)
