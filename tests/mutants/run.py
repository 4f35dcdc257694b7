"""Run mutants: `./dev mutants [NAME …]`. Each fault in turn is put into a copy of the tree, and the tests that must notice it are run there.

First they run in an unharmed copy, where they must pass: a test that fails anyway kills nothing. Servers are started once for all. A line
each on stdout, and what went wrong on stderr; exits with 0 if every mutant is killed by each of its killers, 1 if not, 2 if there is no
such mutant.
"""

from __future__ import annotations

import os
import shutil
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
from tests.mutants.catalog import ROOT, Mutant, apply, copy_tree, mutants
from tests.mutants.inside import COPY
from tests.support.servers import running_services

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.servers import Services

TEST_SECONDS, RUN_SECONDS = 100, 600
TESTS_FAILED = 1


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
    with tempfile.TemporaryDirectory(prefix="onefold-mutants-") as folder, running_services(Path(folder) / "servers") as services:
        bench = Bench(Path(folder).resolve(), services)
        if not _unharmed(chosen, bench):
            return 1
        killed = [_kill(mutant, bench) for mutant in chosen]
    print(f"{sum(killed)} of {len(chosen)} mutants killed in {time.monotonic() - began:.0f} s")
    return 0 if all(killed) else 1


def _unharmed(chosen: Sequence[Mutant], bench: Bench) -> bool:
    """Whether every killer passes where nothing was taken out."""
    began = time.monotonic()
    run = bench.run(None, sorted({killer for mutant in chosen for killer in mutant.killers}))
    if run.code != 0:
        print(f"{run.output}\nThe tests fail without any mutant: mend them first.", file=sys.stderr)
        return False
    print(f"unharmed  {len(run.passed)} tests pass  {time.monotonic() - began:.1f} s", flush=True)
    return True


def _kill(mutant: Mutant, bench: Bench) -> bool:
    """Run a mutant and print what became of it; gives whether it was killed by each of its killers."""
    began = time.monotonic()
    try:
        run = bench.run(mutant, mutant.killers)
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


class Bench:
    """What mutants are run on: the tree as it was at the start, whatever is edited meanwhile, and servers."""

    def __init__(self, folder: Path, services: Services) -> None:
        self._folder, self._services, self._numbers = folder, services, count(1)
        copy_tree(ROOT, folder / "unharmed")

    def run(self, mutant: Mutant | None, tests: Sequence[str]) -> Run:
        """These tests in a copy of the tree, with the mutant's patch. Raises PatchDoesNotApply."""
        number = next(self._numbers)
        copy, report = self._folder / f"copy-{number}", self._folder / f"report-{number}.xml"
        copy_tree(self._folder / "unharmed", copy)
        try:
            if mutant is not None and (reason := apply(mutant.patch, copy)) is not None:
                raise PatchDoesNotApply(reason)
            arguments = ["-q", "-p", "tests.mutants.inside", f"--timeout={TEST_SECONDS}", f"--junitxml={report}", *tests]
            code, output = _pytest(arguments, copy, self._environment(copy, number))
            passed, failed = _read(report) if report.exists() else ((), ())
            return Run(code, passed, failed, output)
        finally:
            shutil.rmtree(copy)

    def _environment(self, copy: Path, number: int) -> dict[str, str]:
        """Variables under which Python finds the copy before the installed tree, and tests find the servers, Redis empty."""
        servers = self._services
        redis = servers.redis_url
        if servers.local is not None:
            redis = urlunsplit(urlsplit(redis)._replace(path=f"/{number % DATABASES}"))
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy))),
            COPY: str(copy),
            "ONEFOLD_POSTGRES__URL": servers.postgres_url,
            "ONEFOLD_POSTGRES__ADMIN_URL": servers.postgres_admin_url,
            "ONEFOLD_REDIS__URL": redis,
            "ONEFOLD_KAFKA__SERVERS": servers.kafka_servers,
        }


def _pytest(arguments: Sequence[str], copy: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Its exit code and what it printed. Whatever it started ends with it."""
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
