"""The keys that OpenID providers sign with: fetched from the configured issuer only, and remembered (S80, S81).

An unknown `kid` makes us ask again, once in a while and not once a token, so a flood of made-up ones costs the provider nothing. A
provider that does not answer logs nobody out: what it said last holds for a day. Which issuers count, and for which workspace, its
callers know. Called by `oidc`.
"""

from __future__ import annotations

import asyncio
import base64
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from onefold.access.fetching import ProviderUnavailable, check_url, fetch_json
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Key = ECKey | RSAKey

FRESH_SECONDS: Final = 600.0
"""How long keys hold without a question: a key that the provider takes back stops counting this soon."""
ASK_AGAIN_SECONDS: Final = 30.0
"""How soon an unknown `kid`, or a silent provider, is asked about again."""
GRACE_SECONDS: Final = 86_400.0
"""How long keys hold while their provider is silent."""
_FETCH_SECONDS: Final = 5.0
_MOST_ISSUERS: Final = 1_000
_MOST_KEYS: Final = 100
_DISCOVERY: Final = "/.well-known/openid-configuration"
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2_048, 8_192


class Issuer(NamedTuple):
    """A provider that a workspace trusts to say who its users are."""

    workspace: str
    issuer: str
    jwks_uri: str | None = None
    """Where its keys are; None: where its discovery document says."""


@dataclass(slots=True)
class _Known:
    """What a provider said at `fetched_at`."""

    keys: Mapping[str, Key]
    fetched_at: float
    asked_at: float

    def lacks(self, name: str, now: float) -> bool:
        """Whether it is time to ask again, for this key."""
        may_ask = self.asked_at + ASK_AGAIN_SECONDS <= now
        return may_ask and (name not in self.keys or self.fetched_at + FRESH_SECONDS <= now)


class ProviderKeys:
    """Finds keys by issuer and `kid`. Concurrent questions about one issuer ask it once."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._known: OrderedDict[Issuer, _Known] = OrderedDict()
        self._silent: OrderedDict[Issuer, float] = OrderedDict()
        self._asking: dict[Issuer, asyncio.Task[_Known]] = {}

    async def find(self, issuer: Issuer, name: str) -> Key | None:
        """The issuer's key of this `kid`, if it has one. Raises ProviderUnavailable where it never said which keys it has."""
        known = self._known.get(issuer)
        if known is None or known.lacks(name, self._now()):
            known = await self._asked(issuer)
        return known.keys.get(name)

    async def _asked(self, issuer: Issuer) -> _Known:
        task = self._asking.get(issuer)
        if task is None:
            task = self._asking[issuer] = asyncio.create_task(self._ask(issuer))
            task.add_done_callback(lambda _: self._asking.pop(issuer, None))
        return await asyncio.shield(task)

    async def _ask(self, issuer: Issuer) -> _Known:
        asked_at = self._now()
        known = self._known.get(issuer)
        if known is not None and known.fetched_at + GRACE_SECONDS <= asked_at:
            known = None
        if known is None and self._silent.get(issuer, -math.inf) + ASK_AGAIN_SECONDS > asked_at:
            raise ProviderUnavailable(f"{issuer.issuer} did not answer a moment ago", retry_after_seconds=ASK_AGAIN_SECONDS)
        try:
            keys = await _fetch_keys(issuer)
        except ProviderUnavailable:
            if known is None:
                _keep(self._silent, issuer, asked_at)
                raise
            known.asked_at = asked_at
            return known
        self._silent.pop(issuer, None)
        known = _Known(keys, asked_at, asked_at)
        _keep(self._known, issuer, known)
        return known


def _keep(kept: OrderedDict[Issuer, Any], issuer: Issuer, value: object) -> None:
    kept[issuer] = value
    kept.move_to_end(issuer)
    if len(kept) > _MOST_ISSUERS:
        kept.popitem(last=False)


async def _fetch_keys(issuer: Issuer) -> dict[str, Key]:
    try:
        jwks_uri = issuer.jwks_uri or await _discover(issuer.issuer)
        document = await fetch_json(check_url(jwks_uri), seconds=_FETCH_SECONDS)
    except InvalidMessage as error:
        raise ProviderUnavailable(f"{issuer.issuer} names a place for its keys that is not asked: {error}") from error
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ProviderUnavailable(f"{issuer.issuer} answers without keys")
    return dict(_usable(listed[:_MOST_KEYS]))


async def _discover(issuer: str) -> str:
    """Where an issuer has its keys, as it says itself (OpenID Connect Discovery, section 4)."""
    document = await fetch_json(issuer.rstrip("/") + _DISCOVERY, seconds=_FETCH_SECONDS)
    if document.get("issuer") != issuer or not isinstance(document.get("jwks_uri"), str):
        raise ProviderUnavailable(f"{issuer} describes itself as another issuer, or names no keys")
    return str(document["jwks_uri"])


def _usable(listed: list[Any]) -> Iterator[tuple[str, Key]]:
    """Public keys to verify with, of the kinds that we take; whatever else a provider lists is left aside."""
    for each in listed:
        name = each.get("kid") if isinstance(each, dict) else None
        if not isinstance(name, str) or each.get("use", "sig") != "sig" or "d" in each:
            continue
        try:
            if each.get("kty") == "EC" and each.get("crv") == "P-256":
                yield name, ECKey.import_key(each)
            elif each.get("kty") == "RSA" and _LEAST_RSA_BITS <= _bits(each) <= _MOST_RSA_BITS:
                yield name, RSAKey.import_key(each)
        except (JoseError, ValueError, TypeError, KeyError):
            continue


def _bits(key: Mapping[str, Any]) -> int:
    text = str(key["n"])
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))).bit_length()
