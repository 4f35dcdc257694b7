"""A Chromium for tests in a browser: the one that CHROMIUM names, the system's, or Debian's, unpacked into this checkout's cache.

Nothing is installed into the system, no right of root is needed, and no test tool fetches a browser of its own.
"""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.async_api import async_playwright

from tests.e2e.collector.debian import libraries, unpacked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

PACKAGE = "chromium-headless-shell"
PROGRAM = f"usr/lib/chromium/{PACKAGE}"
INSTALLED = ("/usr/bin/chromium", f"/usr/bin/{PACKAGE}")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1",
)


class Chromium(NamedTuple):
    """A program, and where it finds libraries that the system lacks."""

    program: str
    libraries: str | None = None


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """One that knows every name under `.example` as this machine."""
    found = chromium()
    environment = {**os.environ, **({"LD_LIBRARY_PATH": found.libraries} if found.libraries else {})}
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=found.program, env=dict(environment), args=list(FLAGS), chromium_sandbox=False
        )
        try:
            yield started
        finally:
            await started.close()


def chromium() -> Chromium:
    """Where it is; fetched where there is none."""
    named = os.environ.get("CHROMIUM")
    for program in (named,) if named else INSTALLED:
        if shutil.which(program):
            return Chromium(program)
    if named or shutil.which("apt-get") is None:
        pytest.fail(f"no Chromium at {named or ' or '.join(INSTALLED)}: install it, or say where it is in CHROMIUM.")
    root = unpacked(PACKAGE)
    return Chromium(str(root / PROGRAM), libraries(root))
