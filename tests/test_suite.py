"""The tests themselves: the same names in the same order, whenever and wherever and by whomever they are collected."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A day, a place, a language and an order of sets that are not those of the first collection.
ELSEWHERE = {"TZ": "Asia/Kathmandu", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "4711"}
A_YEAR_ON = """
import datetime, time
import pytest

YEAR = 366 * 86400
real = time.time

class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(real() + YEAR, tz)

    @classmethod
    def utcnow(cls):
        return cls.utcfromtimestamp(real() + YEAR)

time.time = lambda: real() + YEAR
datetime.datetime = Later
pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", ""])
"""


def test_two_workers_a_year_and_a_continent_apart_collect_the_same_tests() -> None:
    here = collected(["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", ""])
    there = collected(["-c", A_YEAR_ON], **ELSEWHERE)
    assert len(here) > 1000
    assert here == there, sorted(set(here) ^ set(there))


def collected(arguments: list[str], **environment: str) -> list[str]:
    """The names of all tests in their order, as a process of its own finds them."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_a_story_keeps_its_order_in_a_shuffled_suite(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8").replace("pytest_plugins", "_"))
    pytester.makeini("[pytest]\nmarkers = in_order")
    pytester.makepyfile(
        test_story="import pytest\npytestmark = pytest.mark.in_order\n"
        + "".join(f"def test_s{number}(): pass\n" for number in range(20)),
        test_others="".join(f"def test_o{number}(): pass\n" for number in range(20)),
    )
    arguments = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-v",
        "--random-order-bucket=global",
        "--random-order-seed=5",
    ]
    done = pytester.runpytest_subprocess(*arguments)
    done.assert_outcomes(passed=40)
    names = [line.split("::")[1].split()[0] for line in done.outlines if "::test_" in line]
    story = [name for name in names if name.startswith("test_s")]
    others = [name for name in names if name.startswith("test_o")]
    assert story == [f"test_s{number}" for number in range(20)]
    assert others != [f"test_o{number}" for number in range(20)]
    first = names.index("test_s0")
    assert names[first : first + 20] == story
