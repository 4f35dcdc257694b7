"""How often somebody may fail to show a password (security.md, S32, S35, S36): guessing is slow, and nobody is locked out by a stranger.

Failures are counted before a password is compared, in Postgres, by three keys: the e-mail from one address block; the e-mail from all
address blocks that its user never signed in from; an address block, whatever e-mail. Who comes from where they have signed in before is
counted by the first alone, so that what strangers do elsewhere holds up nobody. E-mails that nobody has count alike. Called by `sessions`.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.errors import Refused
from onefold.records import failures
from onefold.records.failures import Bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from onefold.records.store import Connection

_IPV6_BLOCK: Final = 64
"""Bits of what one household or server has."""


class TooManyAttempts(Refused):
    """Too many wrong passwords; after a while there may be another."""

    code = "too_many_attempts"
    said = "too many attempts failed"

    def __init__(self, wait: timedelta) -> None:
        self.retry_after_seconds = max(1, round(wait.total_seconds()))
        minutes = -(-self.retry_after_seconds // 60)
        super().__init__(f"{self.said}; try again in {f'{minutes} minutes' if minutes > 1 else f'{self.retry_after_seconds} seconds'}")


class Bucket(NamedTuple):
    """What is counted together, and how often it may be."""

    name: bytes
    window: timedelta
    most: int
    is_own: bool
    """Whether it is of one e-mail and one place: then a success there ends it, and else only takes itself back."""


FROM_ONE_PLACE: Final = (timedelta(minutes=15), 10)
FROM_STRANGE_PLACES: Final = (timedelta(hours=1), 30)
OF_ONE_PLACE: Final = (timedelta(hours=1), 60)


def of_sign_in(email: str, address: str | None, known: Iterable[str]) -> list[Bucket]:
    """What a sign-in counts for. `known`: addresses from which the e-mail's user has signed in."""
    place = block(address)
    own = Bucket(_name("sign_in", email, place), *FROM_ONE_PLACE, is_own=True)
    if place in {block(each) for each in known}:
        return [own]
    return [
        own,
        Bucket(_name("strange", email), *FROM_STRANGE_PLACES, is_own=False),
        Bucket(_name("place", place), *OF_ONE_PLACE, is_own=False),
    ]


def of_change(user_id: UUID) -> list[Bucket]:
    """What a change of password counts for: whoever took over a session must not guess what is needed for it."""
    return [Bucket(_name("change", str(user_id)), *FROM_ONE_PLACE, is_own=True)]


def of_link(address: str | None) -> list[Bucket]:
    """What a try of a link counts for, while it is not known to be one: the place that it comes from."""
    return [Bucket(_name("link", block(address)), *FROM_ONE_PLACE, is_own=False)]


def of_provider(address: str | None) -> list[Bucket]:
    """What a token of a provider counts for: the place that it comes from."""
    return [Bucket(_name("provider", block(address)), *OF_ONE_PLACE, is_own=False)]


async def count(connection: Connection, workspace: str, buckets: Sequence[Bucket]) -> None:
    """Count an attempt as failed, which it is until it is known to be none. Raises TooManyAttempts: then roll back."""
    wait = await failures.count_failures(connection, workspace, [Bound(each.name, each.window, each.most) for each in buckets])
    if wait is not None:
        raise TooManyAttempts(wait)


async def succeeded(connection: Connection, workspace: str, buckets: Sequence[Bucket]) -> None:
    """The attempt that was counted was none."""
    own, others = ([each.name for each in buckets if each.is_own is is_own] for is_own in (True, False))
    await failures.succeeded(connection, workspace, own, others)


async def take_back(connection: Connection, workspace: str, buckets: Sequence[Bucket]) -> None:
    """The attempt that was counted did not come to be compared."""
    await failures.take_back(connection, workspace, [each.name for each in buckets])


def block(address: str | None) -> str:
    """What stands for an address when failures are counted: itself, or an IPv6 /64."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> (128 - _IPV6_BLOCK) << (128 - _IPV6_BLOCK), _IPV6_BLOCK)))
    return str(found)


def _name(*parts: str) -> bytes:
    return sha256("\0".join(parts).encode()).digest()
