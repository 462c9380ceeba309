"""Writes the Pulumi template, templates/coderport, from what `init` writes.

Run it after a change of Pulumi.yaml, __main__.py, the provider's launcher or the values that `init` asks for:
`.venv/bin/python scripts/write_template.py`. tests/test_template.py holds the two together.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from coderport.setup.files import TEMPLATE, template_files  # noqa: E402


def main() -> None:
    """Writes each file of the template."""
    for file in template_files(ROOT / TEMPLATE):
        file.write()


if __name__ == "__main__":
    main()
