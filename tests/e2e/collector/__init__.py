"""Real SDK packages against a real collector on a real broker."""
