"""Coder: the client, its models, and the read that proves what it saw."""
