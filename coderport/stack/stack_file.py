"""The stack's own file, `Pulumi.NAME.yaml`: whether the Pulumi CLI can read it, known before it is asked."""

from __future__ import annotations

from pathlib import Path

import yaml

from coderport.errors import SettingsError
from coderport.project import description_of, mapping_in, text_of


def stack_file(directory: Path, name: str) -> Path:
    """Where the CLI keeps the config of the stack: beside `Pulumi.yaml`, or in the folder that this names.

    The organization before a name is no part of it.
    """
    folder = directory / str(description_of(directory).get("stackConfigDir") or "")
    return folder / f"Pulumi.{name.rpartition('/')[2]}.yaml"


def check_stack_file(file: Path) -> None:
    """SettingsError, which names the line, where the CLI could not read the file. One that is not there is well."""
    if not file.exists():
        return
    if file.is_dir():
        raise SettingsError(f"{file} is a folder, and has to be the file of the stack. Move it away, and run again.")
    root = mapping_in(file, text_of(file))
    for key, value in root.value if root is not None else ():
        is_empty = isinstance(value, yaml.ScalarNode) and value.tag == "tag:yaml.org,2002:null"
        if key.value == "config" and not isinstance(value, yaml.MappingNode) and not is_empty:
            raise SettingsError(
                f"{file} is no YAML that Pulumi reads: line {value.start_mark.line + 1}: below `config:` there have to "
                "be keys with values, such as `coderport:keepRuns: 20`. Nothing was read or written."
            )
