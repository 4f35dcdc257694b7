"""Mutants stay usable: every patch applies to the tree as it is, and every test that must notice one is there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.mutants.catalog import FOLDER, ROOT, Mutant, apply, mutants

MUTANTS = mutants()
HIJACK = "tests/unit/identity/test_hijack.py"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutants_patch_applies_and_changes_only_the_product(mutant: Mutant) -> None:
    assert apply(mutant.patch, ROOT, "--check") is None
    changed = re.findall(r"^\+\+\+ b/(\S+)", mutant.patch.read_text(), flags=re.MULTILINE)
    assert changed
    assert {path.split("/")[0] for path in changed} <= {"src", "streams"}


def test_a_patch_that_does_not_apply_is_found_out() -> None:
    """So that the test before is known to test something."""
    assert "does not apply" in (apply(MUTANTS[0].patch, ROOT, "--check", "-R") or "")


def test_every_patch_has_killers_and_every_killer_a_patch() -> None:
    assert {path.stem for path in FOLDER.glob("*.patch")} == {mutant.name for mutant in MUTANTS}
    assert all(mutant.takes_out and mutant.killers for mutant in MUTANTS)


def test_every_attack_on_identity_fails_once_its_guard_is_taken_out() -> None:
    """No hijack: a test that passes without its guard shows nothing."""
    attacks = set(re.findall(r"^def (test_\w+)", (ROOT / HIJACK).read_text(), flags=re.MULTILINE))
    killing = {killer for mutant in MUTANTS for killer in mutant.killers if killer.startswith(f"{HIJACK}::")}
    assert attacks == {killer.partition("::")[2].partition("[")[0] for killer in killing}


def test_every_killer_exists() -> None:
    """Collected in a process of its own; nothing is run."""
    killers = sorted({killer for mutant in MUTANTS for killer in mutant.killers})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *killers],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
