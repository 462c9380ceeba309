"""Coder in Port, as code: a Pulumi program that makes Port's catalog match a live Coder deployment."""

import logging

# Repeated requests are counted and told in our own words; without a handler Python prints bare event names for each.
logging.getLogger("stamina").addHandler(logging.NullHandler())

__version__ = "0.1.0"
