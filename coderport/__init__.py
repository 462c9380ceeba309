"""Coder in Port, as code: a Pulumi program that makes Port's catalog match a live Coder deployment."""

__version__ = "0.1.0"
