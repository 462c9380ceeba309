"""Takes over a catalog that the original integration's script, or Port's guide, has made. See `docs/coming-over.md`."""
