"""The SDK packages as their users have them: each version in a folder of its own, pinned with hashes, run in a process of its own.

The two versions of the Node SDK share a folder, under names of their own: `node/package.json`.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[3]
DRIVER = Path(__file__).with_name("drive.py")
NODE_DRIVER = Path(__file__).with_name("drive.mjs")
NODE_PROJECT = Path(__file__).with_name("node")
OLDEST_NODE = 20


@dataclass(frozen=True, slots=True)
class Sdk:
    """One version of one package."""

    name: str
    version: str

    @property
    def requirements(self) -> Path:
        """The pinned file that it is installed from."""
        return ROOT / "requirements" / f"sdk-{self.name}-{self.version}.txt"

    def __str__(self) -> str:
        """As the test's id shows it."""
        return f"{self.name}-{self.version}"


SEGMENT = (Sdk("segment", "2.4.0"), Sdk("segment", "2.3.4"))
RUDDER = (Sdk("rudder", "2.1.9"), Sdk("rudder", "2.1.8"))
PYTHON = (*SEGMENT, *RUDDER)
NODE = (Sdk("node", "3.1.0"), Sdk("node", "3.0.0"))
ALL = (*PYTHON, *NODE)
IN_BODY_ONLY = frozenset({Sdk("segment", "2.3.4"), Sdk("node", "3.0.0")})
"""Send their write key in the body, and no Authorization header (C1)."""


def browser_sdk() -> Path:
    """The folder of Segment's browser SDK, as its users serve it."""
    return installed(NODE[0]) / "node_modules/@segment/analytics-next/dist/umd"


def axe() -> str:
    """The text of axe-core, which looks for what keeps people from using a page (interfaces.md C8)."""
    return (installed(NODE[0]) / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def installed(sdk: Sdk) -> Path:
    """The folder with this version and what it needs, made once and kept; several test processes may ask at a time."""
    if sdk in NODE:
        files = [NODE_PROJECT / name for name in ("package.json", "package-lock.json", ".npmrc")]
        return kept("node", b"".join(each.read_bytes() for each in files), partial(_install_node, files))
    return kept(str(sdk), sdk.requirements.read_bytes() + sys.version.encode(), partial(_install_python, sdk))


def kept(name: str, made_from: bytes, install: Callable[[Path], None]) -> Path:
    """A folder of this checkout's cache, made once by `install`, whichever process comes first, and anew for other bytes."""
    folder = ROOT / ".cache" / "sdks" / f"{name}-{hashlib.sha256(made_from).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:  # not inside: uv locks a `.lock` of its own there
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".complete"
        if not done.exists():
            install(folder)
            done.touch()
    return folder


def _install_python(sdk: Sdk, folder: Path) -> None:
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
    subprocess.run([*command, "--require-hashes", "-r", str(sdk.requirements)], check=True, timeout=300)


def _install_node(files: Sequence[Path], folder: Path) -> None:
    """By the lock alone, whose hashes npm checks; no package runs a script of its own."""
    node, npm = shutil.which("node"), shutil.which("npm")
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip() if node else "none"
    if npm is None or not version.startswith("v") or int(version[1:].partition(".")[0]) < OLDEST_NODE:
        pytest.fail(
            f"The Node SDK's tests need Node {OLDEST_NODE} or newer with npm in the PATH; found node: {version}, npm: {npm}. Install it."
        )
    for each in files:
        shutil.copy(each, folder)
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=300)


async def drive(sdk: Sdk, scenario: str, *, host: str, key: str, **more: Any) -> dict[str, Any]:
    """Run a scenario of `drive.py` or `drive.mjs` with this SDK; its report."""
    folder = await asyncio.to_thread(installed, sdk)
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1"}
    command = ("node", str(NODE_DRIVER)) if sdk in NODE else (sys.executable, "-P", str(DRIVER))
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    task = {"sdk": sdk.name, "package": f"analytics-{sdk}", "scenario": scenario, "host": host, "key": key, **more}
    try:
        out, err = await asyncio.wait_for(process.communicate(json.dumps(task).encode()), 120)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, err.decode()
    report: dict[str, Any] = json.loads(out)
    assert report["version"] == sdk.version
    assert report["file"].startswith(str(folder)), "the environment's own copy was imported instead"
    return report
