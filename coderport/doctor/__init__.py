"""What `doctor` looks at, one module for each subject. Nothing here writes, to Coder, to Port or to a state."""
