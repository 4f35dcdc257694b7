"""How often codes and links may be asked for, and tried (security.md, S14, S15, S34 to S36).

Counted in Postgres, in the transaction that asks or tries. Where an identifier was proved before, in the same browser, it is counted apart:
what strangers do elsewhere holds up nobody there. Whether somebody holds the identifier is never looked at (S29).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import phonenumbers
from phonenumbers import PhoneNumberType

from onefold.access import emails, links
from onefold.access.attempts import block
from onefold.errors import Refused
from onefold.records import challenges, validation_counts
from onefold.records.validation_counts import Limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onefold.records.store import Connection
    from onefold.records.validation_settings import Breaker, SmsSettings
    from onefold.visitors.keyed import Keyed

_NONE: Final = timedelta(0)
_HOUR: Final = timedelta(hours=1)
SENDS: Final = links.SENDS
FAILURES: Final = Limit(_HOUR, 10, _NONE, _NONE)
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_RANGE_DIGITS: Final = 4
"""Numbers that differ in these last digits only are one range: what is rented for pumping."""
_REACHED: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""Kinds of numbers that texts go to: no premium rate, no shared cost, no satellite."""


class TooManyRequests(Refused):
    """Asked or tried too often; later there may be another."""

    code = "too_many_requests"

    def __init__(self, wait: timedelta) -> None:
        self.retry_after_seconds = max(1, -(-wait // timedelta(seconds=1)))
        super().__init__(f"that was too often; try again in {self.retry_after_seconds} seconds")


class DestinationRefused(Refused):
    """No text is sent to numbers like this one."""

    code = "destination_refused"


class Counted(NamedTuple):
    """What is counted, and how often it may be."""

    bucket: bytes
    limit: Limit


class Asker(NamedTuple):
    """Who asks, or tries, for what."""

    workspace: str
    semantic_type: str
    normalised: str
    browser: bytes
    """Its hash."""
    is_known: bool
    """Whether the identifier was proved in that browser before."""


def folded(semantic_type: str, normalised: str) -> str:
    """What an identifier is counted by: no spelling of an address is another try (S34)."""
    return emails.folded(normalised) if semantic_type == "email" else normalised


def of_identifier(keyed: Keyed, kind: str, asker: Asker, limit: Limit) -> Counted:
    """The count of an identifier; in a browser that is known, one of its own."""
    where = asker.browser.hex() if asker.is_known else ""
    return Counted(keyed.hash(kind, asker.workspace, asker.semantic_type, folded(asker.semantic_type, asker.normalised), where), limit)


def of_sending(keyed: Keyed, asker: Asker, address: str | None, sms: SmsSettings) -> list[Counted]:
    """What one message counts for."""
    counted = [of_identifier(keyed, "sends", asker, SENDS)]
    if not asker.is_known:
        counted.append(Counted(keyed.hash("block", asker.workspace, block(address)), links.SENDS_FROM_BLOCK))
    if asker.semantic_type == "phone":
        span = asker.normalised[:-_RANGE_DIGITS]
        counted.append(Counted(keyed.hash("range", asker.workspace, span), Limit(_HOUR, sms.per_range_and_hour, _NONE, _NONE)))
        counted.append(Counted(keyed.hash("sms", asker.workspace), Limit(_DAY, sms.per_day, _NONE, _NONE)))
    return counted


def of_failing(keyed: Keyed, asker: Asker) -> Counted:
    """What a wrong code counts for, across challenges."""
    return of_identifier(keyed, "failures", asker, FAILURES)


async def count(connection: Connection, workspace: str, counted: Iterable[Counted]) -> None:
    """Count one more of each. Raises TooManyRequests: then roll back."""
    for bucket, limit in sorted(counted):  # one order, so that two wait for one another and not for each other
        wait = await validation_counts.count(connection, workspace, bucket, limit)
        if wait is not None:
            raise TooManyRequests(wait)


async def pass_breaker(connection: Connection, keyed: Keyed, asker: Asker, breaker: Breaker) -> Sequence[Counted]:
    """What asking counts for while most of those who ask never come back: nothing, where enough do (S14).

    It slows down and does not disable: some still get through, and every browser that proved the identifier before (S36).
    """
    if asker.is_known or breaker.least_success_percent == 0:
        return []
    latest = await challenges.latest(connection, asker.workspace, asker.semantic_type, breaker.sample)
    if latest.sent < breaker.sample or latest.used * 100 >= breaker.least_success_percent * latest.sent:
        return []
    return [Counted(keyed.hash("breaker", asker.workspace, asker.semantic_type), Limit(_MINUTE, breaker.then_per_minute, _NONE, _NONE))]


def check_destination(number: str, countries: Sequence[str]) -> None:
    """Raises DestinationRefused for a number that no text goes to (S15)."""
    parsed = phonenumbers.parse(number)
    country = phonenumbers.region_code_for_number(parsed)
    if country is None or country not in countries or phonenumbers.number_type(parsed) not in _REACHED:
        raise DestinationRefused("no text is sent to a number like this one; give another number, or an e-mail address")
