"""A read of Coder that knows whether it is whole."""
