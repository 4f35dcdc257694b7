"""What every signed token goes through, whoever signed it and whatever it is for: read, verified under one of its own keys, judged by time.

Nothing that a header brings along (`jwk`, `jku`, `x5c`, `x5u`) is looked at, `alg` must be on the reader's own list, and no extension is
taken (`crit`, `b64`; S51, S80). Says what is wrong by a code, never by what the token holds (S96, S97). Pure; called by identity tokens,
which a workspace's own server signs, and by access and ID tokens, which an OpenID provider signs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError, UnsupportedAlgorithmError
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact
from joserfc.jwt import JWTClaimsRegistry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from joserfc.jwk import ECKey, RSAKey

LEEWAY: Final = timedelta(seconds=60)
"""How far the clock of whoever signs may be off."""
_UNREADABLE: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What a forged token may bring about in JSON, base64 and the library."""
_EXTENSIONS: Final = frozenset({"crit", "b64"})
_CLAIM_CODES: Final = {
    "iss": "token_wrong_issuer",
    "aud": "token_wrong_audience",
    "iat": "token_not_yet_valid",
    "nbf": "token_not_yet_valid",
}


class TokenFault(Exception):
    """Why a token does not count; each reader says it in words of its own."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Form:
    """How tokens of one kind look."""

    types: frozenset[str | None]
    """What their header may say as `typ`; None: nothing."""
    most_bytes: int
    registry: JWSRegistry

    @classmethod
    def of(cls, types: Sequence[str | None], algorithms: Sequence[str], most_bytes: int, *, knows_headers: bool = True) -> Form:
        """The form of these types and algorithms. `knows_headers`: a header that nobody registered makes a token none."""
        registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=knows_headers)
        if not knows_headers:
            registry.max_header_length = most_bytes
        return cls(frozenset(types), most_bytes, registry)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the claims must say."""

    issuer: str
    audience: str | None
    """To whom it is made out, and to nobody else; None: its reader looks at that."""
    longest_life: timedelta


def read(text: str, form: Form) -> CompactSignature:
    """The parts of a token, of which nothing is believed yet. Raises TokenFault."""
    if len(text) > form.most_bytes:
        raise TokenFault("token_too_large")
    try:
        signed = extract_compact(text.encode("ascii"), registry=form.registry)
    except _UNREADABLE:
        raise TokenFault("token_malformed") from None
    if _EXTENSIONS & signed.headers().keys():
        raise TokenFault("token_malformed")
    return signed


def key_name(signed: CompactSignature) -> str:
    """Which key it names. Raises TokenFault where it names none."""
    named = signed.headers().get("kid")
    if not isinstance(named, str):
        raise TokenFault("token_malformed")
    return named


def unproved_claims(signed: CompactSignature) -> dict[str, Any]:
    """What the token says before anything is verified: good for choosing a key, and for nothing else. Raises TokenFault."""
    try:
        claims = json.loads(signed.payload or b"")
    except _UNREADABLE:
        raise TokenFault("token_malformed") from None
    if type(claims) is not dict:
        raise TokenFault("token_invalid_claim")
    return claims


def verified_claims(signed: CompactSignature, key: ECKey | RSAKey, form: Form) -> dict[str, Any]:
    """What the token says, if this key signed it and it is of this form. Raises TokenFault."""
    try:
        if not validate_compact(signed, key, registry=form.registry):
            raise TokenFault("token_bad_signature")
    except UnsupportedAlgorithmError:
        raise TokenFault("token_wrong_algorithm") from None
    except _UNREADABLE:
        raise TokenFault("token_malformed") from None
    if signed.headers().get("typ") not in form.types:  # the library let texts through only
        raise TokenFault("token_wrong_type")
    return unproved_claims(signed)


def check_claims(claims: dict[str, Any], expected: Expected, now: datetime) -> None:
    """Raises TokenFault where issuer, audience or time are others than expected, or missing."""
    registry = JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=int(LEEWAY.total_seconds()),
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True},
        sub={"essential": True},
        iat={"essential": True},
        exp={"essential": True},
    )
    try:
        registry.validate(claims)
    except ExpiredTokenError:
        raise TokenFault("token_expired") from None
    except InvalidClaimError as error:
        raise TokenFault(_CLAIM_CODES.get(error.claim, "token_invalid_claim")) from None
    except MissingClaimError:
        raise TokenFault("token_invalid_claim") from None
    if expected.audience is not None and claims["aud"] not in (expected.audience, [expected.audience]):
        raise TokenFault("token_wrong_audience")
    if claims["exp"] > claims["iat"] + int(expected.longest_life.total_seconds()):
        raise TokenFault("token_lives_too_long")
