"""Programs of Debian's packages, unpacked into this checkout's cache: nothing is installed into the system, and no right of root is needed."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from tests.e2e.collector.sdks import kept

if TYPE_CHECKING:
    from pathlib import Path


def unpacked(package: str) -> Path:
    """The root under which this package lies, with those that it needs and the system lacks; made once and kept."""
    return kept(package, package.encode(), partial(_unpack, package)) / "root"


def libraries(root: Path) -> str:
    """Where programs under this root find their libraries, as LD_LIBRARY_PATH says it."""
    return ":".join(sorted({str(each.parent) for each in root.rglob("*.so*")}))


def _unpack(package: str, folder: Path) -> None:
    """With apt, which checks the packages' signatures; its lists go into the folder, too."""
    lists, archives, packages = (folder / name for name in ("lists", "archives", "packages"))
    for each in (lists / "partial", archives / "partial", packages):
        each.mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-qq", "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={archives}", "-o", "Debug::NoLocking=1"]

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=packages, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    run(*apt, "update")
    planned = run(*apt, "install", "--simulate", "--no-install-recommends", package)
    run(*apt, "download", *(line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")))
    for each in packages.glob("*.deb"):
        run("dpkg-deb", "--extract", str(each), str(folder / "root"))
    for each in (lists, archives, packages):
        shutil.rmtree(each)
