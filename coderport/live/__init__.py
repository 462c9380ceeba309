"""Port kept as Coder is, seconds behind: hints from feeds, reads, the mapping of `up`, bulk writes."""
