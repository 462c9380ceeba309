"""The webhook backend: a small HTTP service beside Coder that Port calls with the id of a run."""
