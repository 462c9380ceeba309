"""Where `live` learns that something may have changed. A feed gives hints, and a hint is only a place to look at."""
