"""One example of each message, as it lies on its topic: shown in the documents, validated and replayed by tests."""

from __future__ import annotations

from importlib.resources import files


def example(topic: str) -> bytes:
    """The example of a topic's messages."""
    return files(__name__).joinpath(f"{topic}.json").read_bytes()
