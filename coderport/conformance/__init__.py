"""Probes that let a live Port or Coder prove what this project assumes of it."""
