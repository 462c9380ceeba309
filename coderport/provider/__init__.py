"""A Pulumi provider for the package `port`.

Blueprint, Entity (written in bulk), Action, Scorecard, Page, AggregationProperties, and the permissions of actions and
blueprints, each judged against what Port holds.
"""
