"""The sample seed: a whole workspace of a mill, with its structure and fifty contacts. For the demo, and for tests of seeds."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def sample_seed() -> list[dict[str, Any]]:
    """Its items."""
    found: list[dict[str, Any]] = json.loads(files(__package__).joinpath("seed.json").read_text("utf-8"))
    return found
