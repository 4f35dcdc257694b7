"""A Chromium for tests in a browser: the one that CHROMIUM names, the system's, or Debian's, unpacked into this checkout's cache.

Nothing is installed into the system, no right of root is needed, and no test tool fetches a browser of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.async_api import async_playwright

from tests.e2e.collector.sdks import kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

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
    root = kept("chromium", PACKAGE.encode(), _unpack) / "root"
    libraries = sorted({str(each.parent) for each in root.rglob("*.so*")})
    return Chromium(str(root / PROGRAM), ":".join(libraries))


def _unpack(folder: Path) -> None:
    """Debian's package, and those that it needs and the system lacks. apt checks their signatures; its lists go into the folder, too."""
    lists, archives, packages = (folder / name for name in ("lists", "archives", "packages"))
    for each in (lists / "partial", archives / "partial", packages):
        each.mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-qq", "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={archives}", "-o", "Debug::NoLocking=1"]

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=packages, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    run(*apt, "update")
    planned = run(*apt, "install", "--simulate", "--no-install-recommends", PACKAGE)
    run(*apt, "download", *(line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")))
    for each in packages.glob("*.deb"):
        run("dpkg-deb", "--extract", str(each), str(folder / "root"))
    for each in (lists, archives, packages):
        shutil.rmtree(each)
