"""The requirement files: hashed, from everywhere the same, and following from pyproject.toml."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
OURS = ("dev", "runtime", "uv")
"""The rest (`sdk-…`) pin what others' versions need, each in an environment of its own."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _pins(lock: Path) -> dict[str, str]:
    return {name.lower(): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), flags=re.MULTILINE)}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0].lower() for each in requirements}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_host_and_no_path_and_hashes_everything(lock: Path) -> None:
    """An index or a folder of the machine that wrote it would be useless, or a secret, elsewhere."""
    text = re.sub(r"^#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    assert not re.search(r"://|--index|--find-links|--extra-index|file:|@ |(^|\s)/\w", text)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in entry, entry


def test_the_lock_of_nodes_packages_names_no_registry_and_hashes_everything() -> None:
    """The same for the SDK that the collector's tests drive."""
    project = ROOT / "tests/e2e/collector/node"
    packages = json.loads((project / "package-lock.json").read_text())["packages"]
    assert not any("resolved" in each for each in packages.values())
    assert all(each["integrity"].startswith("sha512-") for name, each in packages.items() if name)
    assert (project / ".npmrc").read_text() == "omit-lockfile-registry-resolved=true\n"


def test_the_smaller_locks_pin_what_the_large_one_pins() -> None:
    """What is tested is what runs."""
    everything = _pins(ROOT / "requirements/dev.txt")
    for name in OURS:
        assert _pins(ROOT / f"requirements/{name}.txt").items() <= everything.items(), name


def test_every_dependency_that_is_declared_is_locked() -> None:
    """`./dev check` compares exactly, which needs the network; this finds the usual slip without it."""
    groups = [each for group in PROJECT["dependency-groups"].values() for each in group if isinstance(each, str)]
    declared = _names(PROJECT["project"]["dependencies"])
    extra = _names(PROJECT["project"]["optional-dependencies"]["local"])
    assert declared <= _pins(ROOT / "requirements/runtime.txt").keys()
    assert declared | extra | _names(groups) <= _pins(ROOT / "requirements/dev.txt").keys()
    assert not extra & _pins(ROOT / "requirements/runtime.txt").keys(), "embedded servers are no part of the image"


def test_kafkas_jars_are_hashed() -> None:
    lines = (ROOT / "src/onefold/local/jars.sha256").read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  \S+\.jar", line) for line in lines)
    assert any("kafka-server-4.1.0.jar" in line for line in lines)
    assert any("log4j-slf4j-impl-2.24.3.jar" in line for line in lines)
