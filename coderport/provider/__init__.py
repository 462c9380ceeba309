"""A Pulumi provider for the package `port`.

Blueprint, Entity (written in bulk), Action and ActionPermissions, each judged against what Port holds.
"""
