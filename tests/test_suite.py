"""The tests themselves: the same names in the same order, whenever and wherever and by whomever they are collected."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
