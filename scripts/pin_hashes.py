"""Writes the hashes of all files of each pinned package beside its pin: `.venv/bin/python scripts/pin_hashes.py`.

Run it after a change of a pin. Comments and the order stay. The hashes are those that the index has for the version, of
its files for every platform and Python; uv, which is fetched for this and not kept, asks for them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = (
    "requirements-build.txt",
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-oldest.txt",
    "requirements-site.txt",
)
UV = "uv==0.13.9"
NEWEST = "3.13"
"""The newest Python that is tested: of several pins of one package, it takes each."""
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.]+)(?: *; *(?P<marker>[^#\\]*[^#\\ ]))?(?P<comment> +#[^\\]*)?")
_HASH = re.compile(r" +--hash=\S+( \\)?")


def main() -> None:
    """Rewrites the files in place."""
    texts = {name: (ROOT / name).read_text() for name in FILES}
    pins = sorted({(pin["name"], pin["version"]) for text in texts.values() for pin in pins_of(text)})
    hashes = dict(asked(pins))
    for name, text in texts.items():
        (ROOT / name).write_text(written(text, hashes))


def pins_of(text: str) -> Iterator[re.Match[str]]:
    """The pins of a requirements file."""
    for line in text.splitlines():
        if found := _PIN.match(line):
            yield found


def written(text: str, hashes: dict[tuple[str, str], tuple[str, ...]]) -> str:
    """The file with these hashes in the place of those that it had."""
    lines: list[str] = []
    for line in text.splitlines():
        if _HASH.fullmatch(line):
            continue
        found = _PIN.match(line)
        if found is None:
            lines.append(line)
            continue
        marker = f" ; {found['marker']}" if found["marker"] else ""
        if found["comment"]:  # a comment would end a line that goes on
            lines.append(found["comment"].strip())
        rows = [f"{found['name']}=={found['version']}{marker}", *hashes[found["name"], found["version"]]]
        lines.append(" \\\n    ".join(rows))
    return "\n".join(lines) + "\n"


def asked(pins: Iterable[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """Each pin with its hashes, as options of pip. Two versions of one package are asked for one after the other."""
    rounds: list[dict[str, str]] = []
    for name, version in pins:
        free = next((each for each in rounds if name not in each), None)
        if free is None:
            rounds.append(free := {})
        free[name] = version
    with tempfile.TemporaryDirectory() as folder:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, UV]
        subprocess.run(install, check=True)
        for each in rounds:
            for name, found in compiled(Path(folder) / "bin" / "uv", each).items():
                yield (name, each[name]), found


def compiled(uv: Path, pins: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The hashes of these pins by name."""
    given = "".join(f"{name}=={version}\n" for name, version in pins.items())
    options = ["--no-deps", "--generate-hashes", "--no-header", "--no-annotate", "--no-python-downloads", "--quiet"]
    done = subprocess.run(
        [uv, "pip", "compile", "-", *options, "--python-version", NEWEST],
        input=given,
        env={**os.environ, "UV_NO_CONFIG": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr)
    blocks = re.split(r"^(?=\S)", done.stdout, flags=re.MULTILINE)
    found = {block.partition("==")[0]: tuple(re.findall(r"--hash=\S+", block)) for block in blocks if "==" in block}
    if missing := [name for name in pins if not found.get(name)]:
        sys.exit(f"no hashes for {', '.join(missing)}")
    return found


if __name__ == "__main__":
    main()
