"""A Pulumi provider for the package `port`.

Blueprint and Entity, written in bulk and judged against what Port holds.
"""
