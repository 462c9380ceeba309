"""One stack and the engine on it, and what the stack would have to do, found out without the engine."""
