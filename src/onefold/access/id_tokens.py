"""ID tokens of OpenID providers: how a contact who signed in elsewhere signs in here (security.md, S45, S80, S81).

A page has the token of its provider, made out to the site's own client id, and hands it over within ten minutes. What it proves is a
subject of an issuer, and nothing else; an e-mail in it is *vouched for* where the issuer says `email_verified` and the workspace lets it
speak for that domain. The workspace is that of the page's write key, never the token's word (S88). Access tokens, logout tokens and what a
workspace's own server signs do not count. `onefold.visitors.providers` does what follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from onefold.access.caller import NotSignedIn
from onefold.access.contact_issuers import domain_of
from onefold.access.provider_keys import Issuer
from onefold.access.signed_tokens import Expected, Form, TokenFault, check_claims, key_name, read, unproved_claims, verified_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from joserfc.jws import CompactSignature

    from onefold.access.contact_issuers import FindContactIssuer
    from onefold.access.oidc import FindKey
    from onefold.records.contact_issuers import ContactIssuerRow

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
TYPES: Final = ("JWT", None)
"""What an ID token's header says as `typ`, or leaves out: no other kind of token may (RFC 8725, section 3.11)."""
MOST_BYTES: Final = 8_192
LONGEST_LIFE: Final = timedelta(hours=24)
FRESH: Final = timedelta(minutes=10)
"""How soon after it was made out a token is brought."""
_FORM: Final = Form.of(TYPES, ALGORITHMS, MOST_BYTES, knows_headers=False)
_SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,255}")
"""ASCII, as OpenID Connect says (section 2), and nothing that trimming or normalising would make another subject of."""
_OF_OTHER_KINDS: Final = frozenset({"events", "scope", "scp", "cnf"})
"""Claims of logout, access and key-bound tokens."""
_MOST_EMAIL, _MOST_NAME = 320, 200

SENTENCES: Final = {
    "token_too_large": f"The ID token is larger than {MOST_BYTES} bytes.",
    "token_malformed": "The ID token is no JWT that can be read, with `alg` and `kid` in its header and no extensions.",
    "token_wrong_algorithm": f"The ID token is signed with something else than {', '.join(ALGORITHMS)}.",
    "token_wrong_type": "This is no ID token: its header says another `typ` than JWT, or its claims are those of another kind of token.",
    "token_unknown_key": "`kid` names no key that the issuer has now.",
    "token_bad_signature": "The ID token's signature is not that of the key that it names.",
    "token_wrong_issuer": "`iss` is no issuer by which contacts of this workspace sign in.",
    "token_wrong_audience": "The ID token is not made out to this site: `aud`, and `azp` where it is said, must be its client id.",
    "token_expired": "The ID token has expired, or is more than ten minutes old. Let the visitor sign in with the provider again.",
    "token_not_yet_valid": "The ID token's `iat` or `nbf` is in the future.",
    "token_lives_too_long": "The ID token's `exp` is more than a day after its `iat`.",
    "token_invalid_claim": "The ID token needs `iss`, `aud`, `sub`, `iat` and `exp`, each of its kind.",
    "token_wrong_nonce": "The ID token's `nonce` is not the one that was sent with it.",
    "token_used": "This ID token has signed somebody in already. Let the visitor sign in with the provider again.",
}
"""Every reason for which a token does not count, with what it says to the developer who sent it."""


class InvalidIdToken(NotSignedIn):
    """A token that does not count; its code is one of SENTENCES. Says nothing of what the token holds."""

    def __init__(self, code: str) -> None:
        super().__init__(SENTENCES[code])
        self.code = code


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whom a verified token names, as the provider tells it."""

    issuer: str
    subject: str
    digest: bytes
    """Of what was signed: the same token again has it, however it is written."""
    email: str | None = None
    is_vouched_for: bool = False
    """Whether the provider's word is a proof of that e-mail."""
    given_name: str | None = None
    last_name: str | None = None


class IdTokens:
    """Verifies ID tokens against the issuers of a workspace's contacts."""

    def __init__(
        self, find_issuer: FindContactIssuer, find_key: FindKey, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._find_issuer = find_issuer
        self._find_key = find_key
        self._now = now

    async def verify(self, workspace: str, text: str, nonce: str | None) -> SignedIn:
        """Whom the token names. `nonce`: the page's. Raises InvalidIdToken, StoreUnavailable, ProviderUnavailable."""
        try:
            return await self._verify(workspace, text, nonce)
        except TokenFault as fault:
            raise InvalidIdToken(fault.code) from None

    async def _verify(self, workspace: str, text: str, nonce: str | None) -> SignedIn:
        signed = read(text, _FORM)
        _check_form(signed)
        named = unproved_claims(signed).get("iss")
        issuer = await self._find_issuer(workspace, named) if type(named) is str and named.isprintable() else None
        if issuer is None:
            raise TokenFault("token_wrong_issuer")
        key = await self._find_key(Issuer(workspace, issuer.issuer, issuer.jwks_uri), key_name(signed))
        if key is None:
            raise TokenFault("token_unknown_key")
        proved = verified_claims(signed, key, _FORM)
        now = self._now()
        check_claims(proved, Expected(issuer.issuer, None, LONGEST_LIFE), now)
        if proved["iat"] < int((now - FRESH).timestamp()):
            raise TokenFault("token_expired")
        _check_audience(proved, issuer.audiences)
        if _OF_OTHER_KINDS & proved.keys():
            raise TokenFault("token_wrong_type")
        if proved.get("nonce") != nonce:
            raise TokenFault("token_wrong_nonce")
        return _told(proved, issuer, sha256(text.rpartition(".")[0].encode()).digest())


def _check_form(signed: CompactSignature) -> None:
    """What costs nothing to see, before anybody is asked for a key."""
    header = signed.headers()
    if header.get("alg") not in ALGORITHMS:
        raise TokenFault("token_wrong_algorithm")
    if header.get("typ") not in TYPES:
        raise TokenFault("token_wrong_type")


def _check_audience(claims: dict[str, Any], ours: list[str]) -> None:
    """Made out to the site, and by its asking: among several, `azp` says whose it is (OpenID Connect, section 3.1.3.7)."""
    said = claims["aud"]
    audiences = said if type(said) is list else [said]
    if not audiences or not all(type(each) is str for each in audiences) or not set(audiences) & set(ours):
        raise TokenFault("token_wrong_audience")
    asked_by = claims.get("azp", audiences[0] if len(audiences) == 1 else None)
    if type(asked_by) is not str or asked_by not in ours:
        raise TokenFault("token_wrong_audience")


def _told(claims: dict[str, Any], issuer: ContactIssuerRow, digest: bytes) -> SignedIn:
    subject = claims["sub"]
    if type(subject) is not str or _SUBJECT.fullmatch(subject) is None:
        raise TokenFault("token_invalid_claim")
    email = _text(claims, "email", _MOST_EMAIL)
    domain = domain_of(email) if email is not None else None
    is_checked = claims.get("email_verified") is True or claims.get("email_verified") == "true"  # a text in Apple's tokens
    return SignedIn(
        issuer.issuer,
        subject,
        digest,
        email if domain is not None else None,
        is_checked and domain in issuer.email_domains,
        _text(claims, "given_name", _MOST_NAME),
        _text(claims, "family_name", _MOST_NAME),
    )


def _text(claims: dict[str, Any], name: str, most: int) -> str | None:
    """What an optional claim says; None for what cannot be told, which takes nothing from whoever signs in."""
    value = claims.get(name)
    return value.strip() if type(value) is str and value.strip() and len(value) <= most and value.isprintable() else None
