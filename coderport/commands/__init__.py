"""What `python -m coderport` offers: a module for each command, and what they share."""
