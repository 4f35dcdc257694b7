"""A plugin for pytest inside a mutant's copy: it is the copy that runs, in this process and in those that tests start, or nothing does."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

COPY = "ONEFOLD_MUTANT"
"""The variable that names the copy's folder."""
ASK = "import onefold, streams; print(onefold.__file__); print(streams.__file__)"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test another tree than the copy."""
    copy = Path(os.environ[COPY]).resolve()
    here = [str(import_module(name).__file__) for name in ("onefold", "streams", "tests")]
    there = subprocess.run([sys.executable, "-c", ASK], cwd="/", check=True, capture_output=True, text=True).stdout.splitlines()
    elsewhere = [path for path in (*here, *there, str(config.rootpath)) if not Path(path).resolve().is_relative_to(copy)]
    if elsewhere:
        pytest.exit(f"not the mutant is tested but {', '.join(elsewhere)}", returncode=pytest.ExitCode.INTERNAL_ERROR)
