"""The how-to's own code in each language signs a token that the collector takes: run as a reader would, with the key that was made for it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

from onefold.access.identity_keys import create_identity_key
from tests.e2e.collector.debian import libraries, unpacked
from tests.support.collectors import WORKSPACE, running_collector

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

HOW_TO = Path(__file__).parents[3] / "docs/how-to/identity-tokens.md"
TOKENS = 200
"""Of so many, some hold numbers of a signature that are short, which DER writes otherwise than a token: one in 128."""


class Language(NamedTuple):
    """How a program of it is run, and what prints tokens with its function."""

    name: str
    file: str
    prints: str


PYTHON = Language("python", "sign.py", "for _ in range({n}): print(identity_token('u-7', 'ann@example.com', 'of u-7'))")
NODE = Language("javascript", "sign.mjs", "for (let i = 0; i < {n}; i++) console.log(identityToken('u-7', 'ann@example.com', 'of u-7'));")
PHP = Language("php", "sign.php", "for ($i = 0; $i < {n}; $i++) echo identity_token('u-7', 'ann@example.com', 'of u-7'), PHP_EOL;")


@pytest.mark.asyncio
@pytest.mark.parametrize("language", [PYTHON, NODE, PHP], ids=lambda each: each.name)
async def test_the_how_to_signs_what_counts_as_asserted(
    services: Services, database: Database, topic_prefix: str, tmp_path: Path, language: Language
) -> None:
    """S50: every token that the page's code signs, whatever the length of its numbers, is verified and raises what it names."""
    async with (
        running_collector(database, services.kafka_servers, topic_prefix) as collector,
        httpx.AsyncClient(base_url=collector.host) as client,
    ):
        async with collector.store.transaction([WORKSPACE]) as tx:
            made = await create_identity_key(tx, WORKSPACE, "backend")
        (tmp_path / "onefold-identity.pem").write_text(made.private_key)
        tokens = await asyncio.to_thread(_signed, language, str(made.row.key_id), tmp_path)
        assert len(set(tokens)) == TOKENS, "each signature is drawn anew"
        call = {"type": "identify", "userId": "u-7", "anonymousId": "of u-7", "traits": {"email": "ann@example.com"}}
        body = {"batch": [{**call, "messageId": f"m-{n}", "context": {"identityToken": token}} for n, token in enumerate(tokens)]}
        answer = await client.post("/v1/batch", json=body, auth=(collector.public_key, ""))
        assert answer.json() == {"success": True}
        written = [value for _, value in await collector.written()]
    assert len(written) == TOKENS
    assert {each["assurance"] for each in written} == {"asserted"}, written[0]


def _signed(language: Language, key_id: str, folder: Path) -> list[str]:
    """The tokens that the page's program prints, in a folder that holds the key."""
    (code,) = re.findall(rf"```{language.name}\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    (folder / language.file).write_text(f"{code.replace('KID', key_id)}\n{language.prints.replace('{n}', str(TOKENS))}\n")
    command, more = _interpreter(language)
    environment = {**os.environ, **more}
    done = subprocess.run([*command, language.file], cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert done.stderr == ""
    return done.stdout.split()


def _interpreter(language: Language) -> tuple[list[str], dict[str, str]]:
    """What runs it, and what that needs in its environment."""
    if language is PYTHON:
        return [sys.executable], {}
    if language is PHP:
        return _php()
    node = shutil.which("node")
    if node is None:
        pytest.fail("no `node` in the PATH: install Node 20 or newer.")
    return [node], {}


def _php() -> tuple[list[str], dict[str, str]]:
    """The system's PHP, else Debian's, unpacked."""
    if (installed := shutil.which("php")) is not None:
        return [installed], {}
    if shutil.which("apt-get") is None:
        pytest.fail("no `php` in the PATH: install PHP 8 with its openssl.")
    root = unpacked("php-cli")
    program = next(each for each in sorted(root.glob("usr/bin/php[0-9].[0-9]*")))
    return [str(program), "-n"], {"LD_LIBRARY_PATH": libraries(root)}
