"""Poison messages, by their number in A6 of reference/reliability.md: at the collector's door and straight on the topic."""
