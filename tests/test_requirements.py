"""The pins: each file that may be installed is known by its hash, and the script that writes those changes no more."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import pin_hashes  # noqa: E402


@pytest.mark.parametrize("name", pin_hashes.FILES)
def test_every_pin_has_its_hashes_and_nothing_is_without_a_pin(name: str) -> None:
    text = (ROOT / name).read_text()
    logical = [line for line in re.sub(r" \\\n +", " ", text).splitlines() if line and not line.startswith("#")]
    assert len(logical) >= 1
    for line in logical:
        if line.startswith("-r "):
            assert line.removeprefix("-r ") in pin_hashes.FILES
            continue
        pin = line.partition(" --hash=")[0]
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; python_version [<>]=? \"3\.\d+\")?", pin), line
        hashes = line.removeprefix(pin).split()
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), line


def test_these_are_all_requirement_files() -> None:
    assert sorted(path.name for path in ROOT.glob("requirements*")) == sorted(pin_hashes.FILES)


@pytest.mark.parametrize("name", pin_hashes.FILES)
def test_writing_the_same_hashes_changes_nothing(name: str) -> None:
    text = (ROOT / name).read_text()
    hashes: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in re.sub(r" \\\n +", " ", text).splitlines():
        if found := re.match(r"([\w.-]+)==([\w.]+)", line):
            hashes[found[1], found[2]] = tuple(re.findall(r"--hash=\S+", line))
    assert pin_hashes.written(text, hashes) == text


def test_a_new_version_gets_its_own_hashes_and_the_rest_stays() -> None:
    before = '# Ours:\none==2 \\\n    --hash=sha256:aa\n\ntwo==1 ; python_version < "3.11" # why\nthree==1\n'
    hashes = {("one", "2"): ("--hash=sha256:bb", "--hash=sha256:cc"), ("two", "1"): ("--hash=sha256:dd",)}
    assert pin_hashes.written(before, {**hashes, ("three", "1"): ("--hash=sha256:ee",)}) == (
        "# Ours:\none==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n\n"
        '# why\ntwo==1 ; python_version < "3.11" \\\n    --hash=sha256:dd\nthree==1 \\\n    --hash=sha256:ee\n'
    )


def test_what_builds_a_package_is_pinned_too() -> None:
    """pip would fetch it unpinned into an environment of its own: `scripts/setup` builds without one."""
    script = (ROOT / "scripts" / "setup").read_text()
    assert "--require-hashes --no-build-isolation" in script
    assert script.index("install -r requirements-build.txt") < script.index('install --requirement "$wanted"')
