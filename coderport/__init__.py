"""Coder in Port, as code: a Pulumi program that makes Port's catalog match a live Coder deployment."""

import logging
from importlib.metadata import distributions
from pathlib import Path

# Repeated requests are counted and told in our own words; without a handler Python prints bare event names for each.
logging.getLogger("stamina").addHandler(logging.NullHandler())

_HERE = str(Path(__file__).resolve().parents[1])

# That of the package which this code is installed as: hatch-vcs takes it from the tag. A checkout is no package.
__version__ = next((each.version for each in distributions(name="coderport", path=[_HERE])), "0.1.0+checkout")
