"""Access tokens of OpenID providers: how somebody who signs in elsewhere calls the User API (S80-S82).

A token is a JWT of type `at+jwt` (RFC 9068) from an issuer that the workspace configured, made out to that workspace and nothing else:
its audience is `urn:onefold:workspace:SLUG`. What it proves is a subject of an issuer; which user that is, and what they may do now, is
asked at every call, and never read in the token (S83). ID tokens, and tokens bound to a key that the caller would have to prove (`cnf`),
do not count. `onefold.access.sessions` makes a caller of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from onefold.access.caller import NotSignedIn
from onefold.access.signed_tokens import Expected, Form, TokenFault, check_claims, key_name, read, unproved_claims, verified_claims

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from joserfc.jwk import ECKey, RSAKey
    from joserfc.jws import CompactSignature

    from onefold.access.provider_keys import Issuer

    FindIssuer = Callable[[str, str], Awaitable[Issuer | None]]
    """By workspace and issuer: the provider, if the workspace trusts it now."""
    FindKey = Callable[[Issuer, str], Awaitable[ECKey | RSAKey | None]]
    """`ProviderKeys.find`."""

AUDIENCE: Final = "urn:onefold:workspace:"
TYPES: Final = ("at+jwt", "application/at+jwt")
ALGORITHMS: Final = ("RS256", "PS256", "ES256")
LONGEST_LIFE: Final = timedelta(hours=24)
MOST_BYTES: Final = 8_192
MOST_SUBJECT: Final = 255
"""Characters, as OpenID Connect allows a subject (section 2)."""
_FORM: Final = Form.of(TYPES, ALGORITHMS, MOST_BYTES, knows_headers=False)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SUBJECT: Final = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{MOST_SUBJECT}}}")
_MOST_ISSUER: Final = 2_000

SENTENCES: Final = {
    "token_too_large": f"The access token is larger than {MOST_BYTES} bytes.",
    "token_malformed": "The access token is no JWT that can be read, with `alg` and `kid` in its header and no extensions.",
    "token_wrong_algorithm": f"The access token is signed with something else than {', '.join(ALGORITHMS)}.",
    "token_wrong_type": "The access token's header must say `typ`: at+jwt (RFC 9068). ID tokens do not count.",
    "token_unknown_key": "`kid` names no key that the issuer has now.",
    "token_bad_signature": "The access token's signature is not that of the key that it names.",
    "token_wrong_issuer": "`iss` is no issuer that the workspace in `aud` trusts.",
    "token_wrong_audience": f"The access token's `aud` must be {AUDIENCE} and the workspace's slug, and nothing else.",
    "token_expired": "The access token has expired.",
    "token_not_yet_valid": "The access token's `iat` or `nbf` is in the future.",
    "token_lives_too_long": "The access token's `exp` is more than a day after its `iat`.",
    "token_invalid_claim": "The access token needs `iss`, `aud`, `sub`, `iat` and `exp`, each of its kind.",
    "token_bound": "The access token is bound to a key (`cnf`), so it is no bearer token.",
}
"""Every reason for which a token does not count, with what it says to the developer who sent it."""


class InvalidAccessToken(NotSignedIn):
    """A token that does not count; its code is one of SENTENCES. Says nothing of what the token holds."""

    def __init__(self, code: str) -> None:
        super().__init__(SENTENCES[code])
        self.code = code


class Subject(NamedTuple):
    """Whom a verified token names: somebody whom an issuer calls so. An e-mail is no name (S82)."""

    workspace: str
    issuer: str
    subject: str


def is_subject(text: str) -> bool:
    """Whether an issuer may call somebody so."""
    return _SUBJECT.fullmatch(text) is not None and not text.isspace()


def looks_like_token(text: str) -> bool:
    """Whether this has the form of a JWT. Says nothing about whether it counts."""
    return len(text) > MOST_BYTES or _TOKEN.fullmatch(text) is not None


class AccessTokens:
    """Verifies access tokens against the issuers of their workspace."""

    def __init__(self, find_issuer: FindIssuer, find_key: FindKey, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._find_issuer = find_issuer
        self._find_key = find_key
        self._now = now

    async def verify(self, text: str) -> Subject:
        """Whom the token names. Raises InvalidAccessToken, StoreUnavailable, ProviderUnavailable."""
        try:
            return await self._verify(text)
        except TokenFault as fault:
            raise InvalidAccessToken(fault.code) from None

    async def _verify(self, text: str) -> Subject:
        signed = read(text, _FORM)
        _check_form(signed)
        claims = unproved_claims(signed)
        workspace, named = _workspace(claims), _issuer(claims)
        issuer = await self._find_issuer(workspace, named)
        if issuer is None:
            raise TokenFault("token_wrong_issuer")
        key = await self._find_key(issuer, key_name(signed))
        if key is None:
            raise TokenFault("token_unknown_key")
        proved = verified_claims(signed, key, _FORM)
        check_claims(proved, Expected(issuer.issuer, AUDIENCE + workspace, LONGEST_LIFE), self._now())
        if "cnf" in proved:
            raise TokenFault("token_bound")
        return Subject(workspace, issuer.issuer, _subject(proved))


def _check_form(signed: CompactSignature) -> None:
    """What costs nothing to see, before anybody is asked for a key."""
    header = signed.headers()
    if header.get("alg") not in ALGORITHMS:
        raise TokenFault("token_wrong_algorithm")
    if header.get("typ") not in TYPES:
        raise TokenFault("token_wrong_type")


def _workspace(claims: dict[str, Any]) -> str:
    """Whose token it would be. An audience names one workspace, so that no workspace ever sees another's."""
    audience = claims.get("aud")
    if type(audience) is list and len(audience) == 1:
        audience = audience[0]
    if type(audience) is not str or not audience.startswith(AUDIENCE) or _SLUG.fullmatch(audience[len(AUDIENCE) :]) is None:
        raise TokenFault("token_wrong_audience")
    return audience[len(AUDIENCE) :]


def _issuer(claims: dict[str, Any]) -> str:
    issuer = claims.get("iss")
    if type(issuer) is not str or not 0 < len(issuer) <= _MOST_ISSUER or not issuer.isprintable():
        raise TokenFault("token_wrong_issuer")
    return issuer


def _subject(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if type(subject) is not str or not is_subject(subject):
        raise TokenFault("token_invalid_claim")
    return subject
