"""Doors: the collector, and health and metrics of every role. Thin; each has one table from the error tree to its answers."""
