"""Setting up: a project in the user's own folder, the four values that it needs, and its stack."""
