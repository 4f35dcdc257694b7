"""Where the installed packages that carry the servers lie.

Two of them are never imported: one does not import under warnings as errors, and of both we want the binaries alone.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from onefold.local.failures import NotInstalled


def folder_of(package: str) -> Path:
    """The package's folder, found without importing it."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NotInstalled(package)
    return Path(next(iter(found.submodule_search_locations)))
