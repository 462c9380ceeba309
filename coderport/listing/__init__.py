"""What the catalog of a stack would be, as a list for a terminal: read and mapped as a run does it, and not written."""
