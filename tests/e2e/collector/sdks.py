"""The SDK packages as their users have them: each version in a folder of its own, pinned with hashes, run in a process of its own."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
DRIVER = Path(__file__).with_name("drive.py")


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
ALL = (*SEGMENT, *RUDDER)
IN_BODY_ONLY = Sdk("segment", "2.3.4")
"""Sends its write key in the body, and no Authorization header (C1)."""


def installed(sdk: Sdk) -> Path:
    """The folder with this version and what it needs, made once and kept; several test processes may ask at a time."""
    digest = hashlib.sha256(sdk.requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = ROOT / ".cache" / "sdks" / f"{sdk}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:  # not inside: uv locks a `.lock` of its own there
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".complete"
        if not done.exists():
            command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
            subprocess.run([*command, "--require-hashes", "-r", str(sdk.requirements)], check=True, timeout=300)
            done.touch()
    return folder


async def drive(sdk: Sdk, scenario: str, *, host: str, key: str, **more: Any) -> dict[str, Any]:
    """Run a scenario of `drive.py` with this SDK; its report."""
    folder = await asyncio.to_thread(installed, sdk)
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(DRIVER),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    task = {"sdk": sdk.name, "scenario": scenario, "host": host, "key": key, **more}
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
