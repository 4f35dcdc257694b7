"""Identity tokens: how a workspace's own server says who its signed-in visitor is, to a page that cannot change it (S50, S51, S80).

A token is a JWT under ES256, which lives an hour at most and names a user id, and where the server knows them the visitor's e-mail, phone
and anonymous id. It raises calls under a public key from *claimed* to *asserted*, for what it names and nothing else. So whoever replays a
token that he saw, on a device of his own, gains no more than by typing the same values. One algorithm, and public keys only: a token that
is signed otherwise, by whatever its header brings along (`jwk`, `jku`, `x5u`), is none. Pure but for `Verifier`, which looks keys up.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from onefold.access.signed_tokens import Expected, Form, TokenFault, check_claims, key_name, read, verified_claims
from onefold.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from joserfc.jws import CompactSignature

    from onefold.access.identity_keys import IdentityKey

    Find = Callable[[str, uuid.UUID], Awaitable[IdentityKey | None]]
    """`IdentityKeyRing.find`."""

AUDIENCE: Final = "onefold"
TYPE: Final = "at+jwt"
"""Said in the header, so that a token made for something else, such as an OpenID Connect ID token, is none of ours (S80)."""
LONGEST_LIFE: Final = timedelta(hours=1)
MOST_BYTES: Final = 4_096
_MOST_VALUE_BYTES: Final = 1_024
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can escape and no text can carry."""
_FORM: Final = Form.of([TYPE], ["ES256"], MOST_BYTES)

SENTENCES: Final = {
    "token_too_large": f"The identity token is larger than {MOST_BYTES} bytes.",
    "token_malformed": "The identity token is no JWT that can be read: three parts, base64url, with `alg` and `kid` in its header.",
    "token_wrong_algorithm": "The identity token is not signed with ES256, the only algorithm taken.",
    "token_wrong_type": f"The identity token's header must say `typ`: {TYPE}.",
    "token_unknown_key": "`kid` names no live identity key of this workspace. `onefold identity-keys list` shows those that it has.",
    "token_bad_signature": "The identity token's signature is not that of the key that it names.",
    "token_wrong_issuer": "The identity token's `iss` must be the slug of the write key's workspace.",
    "token_wrong_audience": f"The identity token's `aud` must be {AUDIENCE}, and nothing else.",
    "token_expired": "The identity token has expired. Fetch a new one from your server before it does.",
    "token_not_yet_valid": "The identity token's `iat` or `nbf` is in the future. Set the server's clock.",
    "token_lives_too_long": "The identity token's `exp` is more than an hour after its `iat`. Ten minutes are enough.",
    "token_invalid_claim": "The identity token needs `iss`, `aud`, `sub`, `iat`, `exp`; `sub`, `email`, `phone`, `anonymous_id` are texts.",
}
"""Every reason for which a token does not count, with what it says to the developer who sent it."""


class InvalidToken(Refused):
    """A token that does not count; its code is one of SENTENCES. Says nothing of what the token holds."""

    def __init__(self, code: str) -> None:
        super().__init__(SENTENCES[code])
        self.code = code


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a verified token names, as its server wrote it."""

    user_id: str
    email: str | None = None
    phone: str | None = None
    anonymous_id: str | None = None


class Verifier:
    """Verifies tokens against the keys of their workspace."""

    def __init__(self, find: Find, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._find = find
        self._now = now

    async def verify(self, workspace: str, text: str) -> Identity:
        """Whom the token names. `workspace` is that of the write key (S88). Raises InvalidToken, StoreUnavailable."""
        signed, key_id = _read(text)
        key = await self._find(workspace, key_id)
        return check(signed, key, workspace, self._now())


def check(signed: CompactSignature, key: IdentityKey | None, workspace: str, now: datetime) -> Identity:
    """Whom the token names, if this key signed it and it counts now. Raises InvalidToken."""
    if key is None or not key.counts_at(now):
        raise InvalidToken("token_unknown_key")
    try:
        claims = verified_claims(signed, key.public_key, _FORM)
        check_claims(claims, Expected(workspace, AUDIENCE, LONGEST_LIFE), now)
    except TokenFault as fault:
        raise InvalidToken(fault.code) from None
    return Identity(_text(claims, "sub") or "", _text(claims, "email"), _text(claims, "phone"), _text(claims, "anonymous_id"))


def _read(text: str) -> tuple[CompactSignature, uuid.UUID]:
    """The parts of a token, of which nothing is believed yet, and the key that it names."""
    try:
        signed = read(text, _FORM)
        named = key_name(signed)
    except TokenFault as fault:
        raise InvalidToken(fault.code) from None
    try:
        return signed, uuid.UUID(named)
    except ValueError:
        raise InvalidToken("token_unknown_key") from None


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if type(value) is not str or not value.strip() or _SURROGATE.search(value) or len(value.encode()) > _MOST_VALUE_BYTES:
        raise InvalidToken("token_invalid_claim")
    return value
