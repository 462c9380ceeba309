"""What a run would do: the plan, what the stack remembers, what Port holds, and the difference."""
