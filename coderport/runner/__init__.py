"""The runner: does in Coder what a run of one of our actions asks for, and tells Port what became of it."""
