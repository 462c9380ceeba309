"""Writes the comment of a pull request, as `python -m coderport.report.comment` does, for workflows of a checkout.

Usage: preview_comment.py STACK EXIT_CODE STDOUT_FILE STDERR_FILE [ADDRESS]
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

runpy.run_module("coderport.report.comment", run_name="__main__")
