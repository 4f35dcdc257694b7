"""`./dev` on machines that lack something: one sentence that says what to do. No sockets: what would be fetched is never reached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("sh", "dirname", "cat", "cksum", "sed", "mkdir", "rm", "grep", "find", "sort", "tr", "basename")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout of only what `./dev` reads, and a PATH of only the system's plainest tools."""
    checkout, path = tmp_path / "checkout", tmp_path / "bin"
    (checkout / "requirements").mkdir(parents=True)
    path.mkdir()
    for name in ("dev", "pyproject.toml", "requirements/dev.txt", "requirements/uv.txt"):
        shutil.copy(ROOT / name, checkout / name)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (path / tool).symlink_to(found)
    return tmp_path


def _program(machine: Path, name: str, script: str) -> None:
    program = machine / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def _dev(machine: Path, *arguments: str, home: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(machine / "bin"), "HOME": str(machine / "home") if home is None else home}
    return subprocess.run([machine / "checkout/dev", *arguments], capture_output=True, text=True, check=False, env=environment)


def _sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that begins with the script's name; nothing but the announcement may stand before it."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Making the environment")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("./dev: ")
    return lines[0]


def test_alone_it_prints_help_and_touches_nothing(machine: Path) -> None:
    done = _dev(machine)
    assert done.returncode == 0
    for task in ("demo", "test", "check", "up", "bench", "run"):
        assert f"\n  {task} " in done.stdout
    assert not (machine / "checkout/.venv").exists()


def test_a_task_that_does_not_exist_is_a_usage_error(machine: Path) -> None:
    done = _dev(machine, "frobnicate")
    assert done.returncode == 2
    assert "no task 'frobnicate'" in done.stderr


@pytest.mark.parametrize("version", ["none at all", "too old"])
def test_without_a_new_enough_python_it_says_which_is_needed(machine: Path, version: str) -> None:
    if version == "too old":
        _program(machine, "python3", "exit 1")  # what `sys.exit(sys.version_info < (3, 11))` gives
    done = _dev(machine, "env")
    assert done.returncode == 78
    assert "needs Python 3.11 or newer" in _sentence(done)
    assert "ONEFOLD_PYTHON" in done.stderr


def test_a_shim_that_does_not_run_is_passed_over(machine: Path) -> None:
    """A version manager puts a python3.13 into the PATH that only says that it is not installed."""
    _program(machine, "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    _program(machine, "python3.11", 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    assert "python3.11 has no venv module" in _sentence(_dev(machine, "env"))


def test_without_a_venv_module_and_uv_it_says_how_to_get_one(machine: Path) -> None:
    """Debian and Ubuntu ship Python without it."""
    _program(machine, "python3", 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    done = _dev(machine, "env")
    assert done.returncode == 78
    assert "apt-get install python3-venv" in _sentence(done)


def test_without_a_network_it_says_so_and_can_be_tried_again(machine: Path) -> None:
    """A real Python makes the environment; a stand-in for pip's network, an index on a closed port, is all that is missing."""
    (machine / "bin/python3").symlink_to(sys.executable)
    for _ in range(2):
        environment = {
            "PATH": str(machine / "bin"),
            "HOME": str(machine / "home"),
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_CONFIG_FILE": os.devnull,
        }
        done = subprocess.run([machine / "checkout/dev", "env"], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 75, done.stderr
        assert "connect to the network" in _sentence(done)


def test_a_package_with_another_hash_is_not_installed(machine: Path) -> None:
    _program(machine, "python3", "exit 0")
    _program(machine, "uv", 'case "$1" in venv) mkdir -p .venv/bin;; pip) echo "Hash mismatch for x==1" >&2; exit 1;; esac')
    done = _dev(machine, "env")
    assert done.returncode == 1
    assert "does not have the hash" in _sentence(done)


@pytest.mark.parametrize("home", ["", "/proc/nowhere"])
def test_an_empty_or_unwritable_home_keeps_the_caches_in_the_checkout(machine: Path, home: str) -> None:
    _program(machine, "python3", "exit 0")
    _program(machine, "uv", 'case "$1" in venv) mkdir -p .venv/bin;; pip) printf %s "$HOME" >.cache/seen; exit 1;; esac')
    _dev(machine, "env", home=home)
    assert (machine / "checkout/.cache/seen").read_text() == str((machine / "checkout/.cache/home").resolve())


def test_ci_runs_the_very_command_that_everybody_runs() -> None:
    script = (ROOT / ".ci/run").read_text().splitlines()
    assert script[-1] == 'CI=true exec ./dev test "$@"'
    assert os.access(ROOT / ".ci/run", os.X_OK)
