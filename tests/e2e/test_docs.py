"""Every command of README and tutorial runs, in their order, as a reader would type it; so does the demo that README opens with."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ONEFOLD = [sys.executable, "-m", "onefold"]
READY_SECONDS = 150


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kept demo, in a folder of its own."""
    folder = tmp_path_factory.mktemp("docs")
    log = folder / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*ONEFOLD, "demo", "--visits", "400", "--keep"], cwd=folder, stdout=output, stderr=output)
        deadline = time.monotonic() + READY_SECONDS
        while "everything goes on running" not in (text := log.read_text(errors="replace")):
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.2)
        yield folder
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, log.read_text(errors="replace")[-3_000:]


def blocks(page: Path) -> Iterator[tuple[str, str, str | None]]:
    """Code blocks of a page: language, text, and the file that a comment before it names."""
    pattern = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
    for match in pattern.finditer(page.read_text(encoding="utf-8")):
        yield match[2], match[3], match[1]


def commands(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:3] == ["./dev", "run", "onefold"]:
            yield words[3:]


def run(folder: Path, words: list[str], *, allowed: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run([*ONEFOLD, *words], cwd=folder, capture_output=True, text=True, timeout=60, env=_environment(), check=False)
    assert done.returncode in allowed, f"onefold {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ONEFOLD_")}


@pytest.mark.timeout(300)
def test_the_demo_of_the_readme_reaches_its_verdict_and_tells_three_lives(stack: Path) -> None:
    text = (stack / "demo.log").read_text(errors="replace")
    assert "are one contact each, of the right type: nobody split, nobody mixed up" in text
    for title in ("Two devices, one person", "A shared device, handed over", "A proved address"):
        assert title in text
    assert re.search(r"interactions/\d+/\d+ +brought anonymous_token:", text)


@pytest.mark.timeout(300)
def test_every_command_of_the_readme_runs(stack: Path) -> None:
    address = re.search(r"brought email:(\S+)", (stack / "demo.log").read_text(errors="replace"))
    assert address is not None
    ran = 0
    for language, text, _ in blocks(ROOT / "README.md"):
        for words in commands(text) if language == "sh" else ():
            run(stack, [word.replace("ADDRESS", address[1]) for word in words])
            ran += 1
    assert ran == 7


@pytest.mark.timeout(300)
def test_the_snippet_of_the_readme_reaches_the_collector(stack: Path) -> None:
    log = (stack / "demo.log").read_text(errors="replace")
    url = re.search(r"collector at (\S+)", log)
    assert url is not None
    key = run(stack, ["keys", "create", "--workspace", "acme", "--kind", "public", "--title", "readme"]).strip()
    snippet = next(text for language, text, _ in blocks(ROOT / "README.md") if language == "python")
    code = snippet.replace("of_pub_…", key).replace("http://127.0.0.1:PORT", url[1])
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    wait_for(stack, ["contacts", "show", "anonymous_token:visitor-1"], "lead")


@pytest.mark.timeout(300)
def test_every_command_of_the_tutorial_runs_and_says_what_the_tutorial_says(stack: Path) -> None:
    said: dict[str, str] = {}
    for language, text, file in blocks(ROOT / "docs/tutorial.md"):
        if file is not None:
            (stack / file).write_text(text, encoding="utf-8")
        for words in commands(text) if language == "sh" else ():
            expected = EXPECTED.get(" ".join(words[:3]))
            said[" ".join(words)] = wait_for(stack, words, *expected) if expected else run(stack, words)
    assert len(said) == 14
    ann = run(stack, ["contacts", "find", "user_id:u-7"]).strip()
    told = [line for line in said["events tail --topic segments.membership"].splitlines() if ann in line and '"slug":"pro-leads"' in line]
    assert len(told) == 2


EXPECTED = {
    "contacts show email:ann@example.com": ("lead", "Ann Lee", "interactions/"),
    "contacts show anonymous_token:phone-1": ("ghost",),
    "contacts show user_id:u-7": ("phone-1", "laptop-1", "merges", "u-7"),
    "segments members pro-leads": ("Ann@Example.com",),
    "events tail --topic": ("value",),
}
"""What the tutorial promises, by the beginning of the command. Streams are followed a moment later, so it may take some looks."""


def wait_for(folder: Path, words: list[str], *expected: str) -> str:
    """Run a command until it says what is expected."""
    deadline = time.monotonic() + 20
    wanted = ('"transition":"left"',) if words[-1] == "segments.membership" else ()
    while True:
        text = run(folder, words, allowed=(0, 4))
        if all(each in text for each in (*expected, *wanted)):
            return text
        assert time.monotonic() < deadline, f"onefold {' '.join(words)} does not say {expected}:\n{text}"
        time.sleep(0.3)
