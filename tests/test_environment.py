"""A company's environment around every command: proxies, certificates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout
from network import Proxy, proxy_to

from coderport.emulators.pair import Pair
from coderport.engine import CliInfo
from coderport.transport.loopback import NAMES

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


@pytest.mark.parametrize(("command", "capital"), [*((each, False) for each in COMMANDS), ("up", True), ("sync", True)])
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


@pytest.mark.parametrize("command", ["run --run-id r_1", "serve"])
def test_nor_does_a_run_or_the_service_begin_without_certificates_that_were_named(
    command: str, checkout: Checkout
) -> None:
    done = checkout.run(*command.split(), "--stack", "corp", SSL_CERT_FILE="/etc/ssl/corp-ca.pem")
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("SSL_CERT_FILE names /etc/ssl/corp-ca.pem, which cannot be read")


def test_every_python_of_the_environment_spares_this_machine_before_a_program_runs() -> None:
    """Pulumi's language host connects to the engine before the program's first line: `scripts/setup` sees to it."""
    program = "import os; print(os.environ['no_proxy'])"
    environment = {**os.environ, "http_proxy": "http://proxy.corp:3128"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ",".join(NAMES)


ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "a terminal of Western Europe": {"PYTHONIOENCODING": "cp1252"},
    "strict in the locale of C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
FOREIGN = "Größe 大きい ✓"


@pytest.mark.parametrize("case", ENCODINGS)
def test_what_a_terminal_cannot_show_is_replaced_there_and_whole_in_the_summary(
    case: str, cli: CliInfo, tmp_path: Path
) -> None:
    with Pair(seed=5, workspaces=0, templates=1) as pair:
        checkout = Checkout(tmp_path, cli, pair)
        (template,) = pair.coder.template_ids()
        pair.coder.template(template).display_name = FOREIGN
        for command in ("up", "sync"):
            done = raw(checkout, *command.split(), **ENCODINGS[case])
            assert done.returncode == 0, done.stdout + done.stderr
            assert b"Traceback" not in done.stdout + done.stderr
            shown = done.stdout.decode("ascii" if case != "a terminal of Western Europe" else "cp1252")
            assert "?" in shown or "·" in shown
        pair.port.delete_entity("coder_template", template)
        file = tmp_path / "summary.json"
        done = raw(checkout, "drift", "--json", "--summary", str(file), **ENCODINGS[case])
        assert done.returncode == 4, done.stderr
        printed = json.loads(done.stdout.splitlines()[-1])
        assert [each["title"] for each in printed["drift"]] == [FOREIGN]
        assert json.loads(file.read_bytes().decode("utf-8")) == printed


def raw(checkout: Checkout, command: str, *more: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command with its output as bytes, on the stack `foreign`."""
    return subprocess.run(
        [sys.executable, "-m", "coderport", command, *more, "--stack", "foreign"],
        cwd=checkout.folder,
        env={**checkout.environment, **environment},
        capture_output=True,
        timeout=600,
    )
