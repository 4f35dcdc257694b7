"""Passwords: how they are hashed, compared and judged (security.md, S18-S22, S25).

argon2id by argon2-cffi, a few at a time, since each takes 20 MB and tens of milliseconds of a core: who waits too long is told to come
back. Judged by zxcvbn, offline, with words of the user's own surroundings. Called by users' use cases and by sign-in.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from onefold.errors import InvalidMessage, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    Result = TypeVar("Result")

SHORTEST, LONGEST = 12, 128
"""Characters, after NFC (S21)."""
WEAKEST: Final = 3
"""Of zxcvbn's scores 0 to 4: what holds against guessing a slow hash."""
AT_ONCE: Final = 2
"""Hashes at a time in one process (S20): with more, every other call would wait for a core."""
MOST_WAITING: Final = 32
_SHORTEST_WORD: Final = 3
"""Shorter ones are in everything."""
_LEAST_OWN: Final = 8
"""Characters besides words of the user's surroundings: zxcvbn takes two such words with a hyphen for a find."""
_JUDGED: Final = 72
"""Characters that zxcvbn looks at: its time grows with the square."""


class Verified(NamedTuple):
    """What comparing found."""

    holds: bool
    hash_anew: bool = False
    """Whether the stored hash has lesser parameters, or an older pepper, than are used now (S19, S25)."""


class Passwords:
    """Hashes and compares. `peppers` by version, of which the newest is used; without any, none is."""

    def __init__(self, peppers: Mapping[int, bytes] | None = None, *, hasher: PasswordHasher | None = None) -> None:
        self._peppers = dict(peppers or {})
        # OWASP's second profile: 19 MiB, two passes, one lane (S18). The parameters stand in each hash.
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        self._decoy = self._hash("no password has this text")

    async def hash(self, password: str) -> str:
        """The stored form. Raises InvalidMessage where it is too short or too long, TemporaryError where too many wait."""
        text = _normal(password)
        return await self._run(lambda: self._hash(text))

    async def verify(self, stored: str | None, password: str) -> Verified:
        """Whether it is the password. Without a stored one it takes as long, and is not (S27). Raises TemporaryError."""
        text = unicodedata.normalize("NFC", password)[: LONGEST + 1]
        return await self._run(lambda: self._verify(stored, text))

    async def judge(self, password: str, context: Sequence[str]) -> None:
        """As `judge`, beside other calls: it takes a tenth of a second. Raises InvalidMessage, TemporaryError."""
        await self._run(lambda: judge(password, context))

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= MOST_WAITING:
            raise TemporaryError("too many people sign in at once; try again in a few seconds", retry_after_seconds=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def _hash(self, text: str) -> str:
        version = max(self._peppers, default=0)
        return f"v{version}{self._hasher.hash(self._peppered(text, version))}"

    def _verify(self, stored: str | None, text: str) -> Verified:
        head, dollar, rest = (stored or self._decoy).partition("$")
        version = int(head[1:]) if head[1:].isdigit() else 0
        try:
            self._hasher.verify(dollar + rest, self._peppered(text, version))
        except (VerificationError, InvalidHashError):
            return Verified(holds=False)
        newest = max(self._peppers, default=0)
        return Verified(stored is not None, self._hasher.check_needs_rehash(dollar + rest) or version != newest)

    def _peppered(self, text: str, version: int) -> bytes:
        pepper = self._peppers.get(version)
        return hmac.new(pepper, text.encode(), sha256).digest() if pepper is not None else text.encode()


async def temporary() -> tuple[str, str]:
    """A password that nobody can guess, and its stored form: for whoever must choose another one at first."""
    password, passwords = secrets.token_urlsafe(18), Passwords()
    try:
        return password, await passwords.hash(password)
    finally:
        passwords.close()


def judge(password: str, context: Sequence[str]) -> None:
    """Raises InvalidMessage, which says why, for a password that is easily guessed; `context`: words around its user (S22)."""
    text = _normal(password)
    parts = {part.lower() for each in context for part in (each, *each.split("@"), *re.split(r"[\s@._-]+", each))}
    words = sorted((part for part in parts if len(part) >= _SHORTEST_WORD), key=len, reverse=True)
    own = text.lower()
    for word in words:
        own = own.replace(word, "")
    if len(own) < _LEAST_OWN:
        raise InvalidMessage(
            "choose another password. It is made of names around you. Several unusual words make a good one.", code="weak_password"
        )
    found = zxcvbn(text[:_JUDGED], user_inputs=words, max_length=_JUDGED)
    if found["score"] < WEAKEST:
        said = found["feedback"]["warning"] or "It is easily guessed."
        raise InvalidMessage(f"choose another password. {said} Several unusual words make a good one.", code="weak_password")


def _normal(password: str) -> str:
    text = unicodedata.normalize("NFC", password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidMessage(f"a password has {SHORTEST} to {LONGEST} characters; 15 and more are better", code="password_length")
    return text
