"""Run mutants: `./dev mutants [NAME …]`. Each fault in turn is put into a copy of the tree, and the tests that must notice it are run there.

First they run in an unharmed copy, where they must pass: a test that fails anyway kills nothing. Servers are started once for all. A line
each on stdout, and what went wrong on stderr; exits with 0 if every mutant is killed by each of its killers, 1 if not, 2 if there is no
such mutant.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree as ET

from onefold.local.valkey import DATABASES
from tests.mutants.catalog import Mutant, apply, copy_tree, mutants
from tests.mutants.inside import COPY
from tests.support.servers import running_services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.servers import Services

TEST_SECONDS, RUN_SECONDS = 100, 600
TESTS_FAILED = 1
_numbers = count()


@dataclass(frozen=True, slots=True)
class Run:
    """What tests said in a copy."""

    code: int
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    output: str


def main() -> int:
    """Run the mutants that are named, or all of them."""
    known = {mutant.name: mutant for mutant in mutants()}
    unknown = [name for name in sys.argv[1:] if name not in known]
    if unknown:
        print(f"There is no mutant {unknown[0]!r}. There are: {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in sys.argv[1:]] or list(known.values())
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="onefold-servers-") as folder, running_services(Path(folder)) as services:
        if not _unharmed(chosen, services):
            return 1
        killed = [_kill(mutant, services) for mutant in chosen]
    print(f"{sum(killed)} of {len(chosen)} mutants killed in {time.monotonic() - began:.0f} s")
    return 0 if all(killed) else 1


def _unharmed(chosen: Sequence[Mutant], services: Services) -> bool:
    """Whether every killer passes where nothing was taken out."""
    began = time.monotonic()
    run = _run(None, sorted({killer for mutant in chosen for killer in mutant.killers}), services)
    if run.code != 0:
        print(f"{run.output}\nThe tests fail without any mutant: mend them first.", file=sys.stderr)
        return False
    print(f"unharmed  {len(run.passed)} tests pass  {time.monotonic() - began:.1f} s", flush=True)
    return True


def _kill(mutant: Mutant, services: Services) -> bool:
    """Run a mutant and print what became of it; gives whether it was killed by each of its killers."""
    began = time.monotonic()
    try:
        run = _run(mutant, mutant.killers, services)
    except PatchDoesNotApply as error:
        print(f"NO PATCH  {mutant.name}", flush=True)
        print(f"tests/mutants/{mutant.name}.patch does not apply to the tree any more: {error}", file=sys.stderr)
        return False
    name = f"{mutant.name}  {time.monotonic() - began:.1f} s"
    if run.passed:
        print(f"SURVIVED  {name}  nothing was noticed by {', '.join(run.passed)}", flush=True)
        return False
    if run.code != TESTS_FAILED or not run.failed:
        print(f"BROKEN    {name}  no test failed, yet pytest exits with {run.code}", flush=True)
        print(run.output, file=sys.stderr)
        return False
    print(f"killed    {name}  by {', '.join(run.failed)}", flush=True)
    return True


class PatchDoesNotApply(Exception):
    """The tree has moved on; git says where."""


def _run(mutant: Mutant | None, tests: Sequence[str], services: Services) -> Run:
    """These tests in a copy of the tree, with the mutant's patch."""
    with tempfile.TemporaryDirectory(prefix="onefold-mutant-") as folder:
        copy = Path(folder).resolve() / "tree"
        copy.mkdir()
        copy_tree(copy)
        if mutant is not None and (reason := apply(mutant.patch, copy)) is not None:
            raise PatchDoesNotApply(reason)
        report = copy.parent / "report.xml"
        arguments = ["-q", "-p", "tests.mutants.inside", f"--timeout={TEST_SECONDS}", f"--junitxml={report}"]
        code, output = _pytest([*arguments, *tests], copy, services)
        passed, failed = _read(report) if report.exists() else ((), ())
        return Run(code, passed, failed, output)


def _pytest(arguments: Sequence[str], copy: Path, services: Services) -> tuple[int, str]:
    """Its exit code and what it printed. Whatever it started ends with it."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy))),
        COPY: str(copy),
        "ONEFOLD_POSTGRES__URL": services.postgres_url,
        "ONEFOLD_POSTGRES__ADMIN_URL": services.postgres_admin_url,
        "ONEFOLD_REDIS__URL": _own_redis(services),
        "ONEFOLD_KAFKA__SERVERS": services.kafka_servers,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        output = f"not done after {RUN_SECONDS} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode, output


def _own_redis(services: Services) -> str:
    """A numbered database that the run before did not use; as it was given, if the server is not ours."""
    if services.local is None:
        return services.redis_url
    return urlunsplit(urlsplit(services.redis_url)._replace(path=f"/{1 + next(_numbers) % (DATABASES - 1)}"))


def _read(report: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the tests that passed and of those that failed. An error outside of a test is neither."""
    passed, failed = [], []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 -- pytest wrote it
        name = case.attrib["name"]
        if case.find("failure") is not None:
            failed.append(name)
        elif case.find("error") is None:
            passed.append(name)
    return tuple(passed), tuple(failed)


if __name__ == "__main__":
    sys.exit(main())
