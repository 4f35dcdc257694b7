"""Deliberate faults, kept as patches, each with the tests that must notice it: what says that the tests test something."""
