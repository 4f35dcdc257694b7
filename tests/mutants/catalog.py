"""The mutants that there are: a patch each, and the tests that must fail with it (`killers.toml`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
PARTS = ("src", "streams", "tests", "pyproject.toml")
"""What a copy of the tree needs. With the caches of compiled modules: those of patched files are older than these, so are not used."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate fault."""

    name: str
    takes_out: str
    killers: tuple[str, ...]
    """Tests, as pytest names them; each must fail."""

    @property
    def patch(self) -> Path:
        """A unified diff against the tree."""
        return FOLDER / f"{self.name}.patch"


def mutants() -> list[Mutant]:
    """All of them, by name."""
    table = tomllib.loads((FOLDER / "killers.toml").read_text())
    return [Mutant(name, each["takes_out"], tuple(each["killers"])) for name, each in sorted(table.items())]


def copy_tree(source: Path, to: Path) -> None:
    """A copy of a tree as it lies there, uncommitted changes included."""
    to.mkdir()
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, to / part)
        else:
            shutil.copy2(source / part, to / part)


def apply(patch: Path, tree: Path, *options: str) -> str | None:
    """Apply a patch to a tree; gives what git says if it does not apply. `--check` changes nothing."""
    # Below a repository git would take the paths as the repository's, skip those of elsewhere, and call it a success.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.resolve().parent)}
    command = ["git", "apply", *options, str(patch)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()
