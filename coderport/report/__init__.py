"""How a run went: its account while it runs, and its outcome."""
