"""Access tokens of OpenID providers (S80, S82): the corpus of forged ones, each with the reason for which it does not count."""

from __future__ import annotations

import base64
import hashlib
import hmac
import traceback
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from onefold.access.oidc import ALGORITHMS, MOST_BYTES, SENTENCES, AccessTokens, InvalidAccessToken, Subject, looks_like_token
from onefold.access.provider_keys import Issuer
from tests.support.providers import AUDIENCE, Provider
from tests.support.signing import NOW, pieces

if TYPE_CHECKING:
    from collections.abc import Callable

OURS, OTHER = Provider(), Provider("https://other.example")
AT = int(NOW.timestamp())
TRUSTED = {("acme", OURS.issuer), ("acme", OTHER.issuer), ("beta", OTHER.issuer)}


async def verified(text: str, *, now: datetime = NOW) -> Subject:
    """Whom acme, which trusts both providers, and beta, which trusts one, read in a token."""

    async def find_issuer(workspace: str, issuer: str) -> Issuer | None:
        return Issuer(workspace, issuer) if (workspace, issuer) in TRUSTED else None

    async def find_key(issuer: Issuer, name: str) -> ECKey | RSAKey | None:
        return await OURS.find_key(issuer, name) or await OTHER.find_key(issuer, name)

    return await AccessTokens(find_issuer, find_key, now=lambda: now).verify(text)


async def refusal(text: str, **more: Any) -> str:
    """The reason for which a token does not count."""
    with pytest.raises(InvalidAccessToken) as caught:
        await verified(text, **more)
    assert str(caught.value) == SENTENCES[caught.value.code]
    return caught.value.code


@pytest.mark.asyncio
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_names_a_subject_of_its_issuer(algorithm: str) -> None:
    """S80: by each algorithm of the list, and by the other name of the type."""
    assert await verified(OURS.token(algorithm)) == Subject("acme", "https://id.example", "ann")
    assert await verified(OURS.token(algorithm, aud=[AUDIENCE])) == Subject("acme", "https://id.example", "ann")
    named = OURS.token(algorithm, header={"typ": "application/at+jwt", "x5t": "abc", "made_up": 1})
    assert await verified(named) == Subject("acme", "https://id.example", "ann")


@pytest.mark.asyncio
async def test_a_subject_is_of_its_issuer_and_no_email() -> None:
    """S82: the same words from two issuers are two subjects, and an e-mail in a token says nothing of who it is."""
    assert await verified(OTHER.token()) == Subject("acme", "https://other.example", "ann")
    assert await verified(OURS.token(sub="7", email="ann@example.com", email_verified=True)) == Subject("acme", OURS.issuer, "7")


def by_hmac(secret: bytes) -> str:
    """Key confusion: signed with what everybody knows, the public key, as if it were a shared secret."""
    signed = pieces(OURS.header("HS256", kid="RS256"), OURS.claims())
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def by_stranger(**header: Any) -> str:
    """Signed well, by a key that nobody knows, which the header may bring along."""
    stranger = ECKey.generate_key("P-256")
    brought: dict[str, Any] = {name: stranger.as_dict(private=False) if name == "jwk" else value for name, value in header.items()}
    signed = pieces(OURS.header(**brought), OURS.claims())
    inner = jws.JWSRegistry.algorithms["ES256"].sign(signed.encode(), stranger)
    return f"{signed}.{base64.urlsafe_b64encode(inner).rstrip(b'=').decode()}"


def with_other_claims(token: str, **changes: Any) -> str:
    """The same signature under another payload."""
    header, _, signature = token.split(".")
    return f"{header}.{pieces(OURS.claims(**changes))}.{signature}"


def unsigned(signature: bytes = b"", **header: Any) -> str:
    """A token that no library would write."""
    return pieces(OURS.header(**header), OURS.claims(), signature)


def symmetric() -> str:
    """Signed by a shared secret, well."""
    return jws.serialize_compact(OURS.header("HS256", kid="ES256"), b"{}", OctKey.generate_key(256), algorithms=["HS256"])


FORGED: dict[str, tuple[str, Callable[[], str]]] = {
    "alg none, no signature": ("token_wrong_algorithm", lambda: unsigned(alg="none")),
    "alg none, in other letters": ("token_wrong_algorithm", lambda: unsigned(alg="NoNe")),
    "alg none, with a signature": ("token_wrong_algorithm", lambda: unsigned(b"x" * 64, alg="none")),
    "alg missing": ("token_malformed", lambda: unsigned(b"x" * 64, alg=None)),
    "alg is a list": ("token_wrong_algorithm", lambda: unsigned(b"x" * 64, alg=["ES256"])),
    "alg in lower case": ("token_wrong_algorithm", lambda: unsigned(b"x" * 64, alg="es256")),
    "key confusion, PEM": ("token_wrong_algorithm", lambda: by_hmac(OURS.pairs["RS256"].as_pem(private=False))),
    "key confusion, DER": ("token_wrong_algorithm", lambda: by_hmac(OURS.pairs["RS256"].as_der(private=False))),
    "key confusion, empty secret": ("token_wrong_algorithm", lambda: by_hmac(b"")),
    "HS256": ("token_wrong_algorithm", symmetric),
    "RS512, not on the list": ("token_wrong_algorithm", lambda: unsigned(b"x" * 256, alg="RS512")),
    "ES256 under the name of an RSA key": ("token_malformed", lambda: OURS.token(header={"kid": "RS256"})),
    "RS256 under the name of an EC key": ("token_malformed", lambda: OURS.token("RS256", header={"kid": "ES256"})),
    "empty signature": ("token_bad_signature", unsigned),
    "signature of zeros": ("token_bad_signature", lambda: unsigned(bytes(64))),
    "signature of zeros, RSA": ("token_bad_signature", lambda: unsigned(bytes(256), alg="RS256", kid="RS256")),
    "signature cut short": ("token_bad_signature", lambda: OURS.token()[:-4]),
    "signature in DER": ("token_bad_signature", lambda: unsigned(b"\x30\x06\x02\x01\x01\x02\x01\x01")),
    "PS256 read as RS256": (
        "token_bad_signature",
        lambda: pieces(OURS.header("RS256", kid="PS256"), OURS.claims()) + "." + OURS.token("PS256").rpartition(".")[2],
    ),
    "other subject under an old signature": ("token_bad_signature", lambda: with_other_claims(OURS.token(), sub="root")),
    "later end under an old signature": ("token_bad_signature", lambda: with_other_claims(OURS.token(), exp=AT + 9_000)),
    "another issuer's key": ("token_bad_signature", lambda: OTHER.token(iss=OURS.issuer)),
    "a stranger's key": ("token_bad_signature", by_stranger),
    "brings its key, jwk": ("token_bad_signature", lambda: by_stranger(jwk=True)),
    "names a place for its key, jku": ("token_bad_signature", lambda: by_stranger(jku="https://evil.example/keys")),
    "names a place for its certificate, x5u": ("token_bad_signature", lambda: by_stranger(x5u="https://evil.example/cert")),
    "brings a certificate, x5c": ("token_bad_signature", lambda: by_stranger(x5c=["MIIB"])),
    "unknown kid": ("token_unknown_key", lambda: OURS.token(header={"kid": "nobody"})),
    "kid is a path": ("token_unknown_key", lambda: OURS.token(header={"kid": "../../dev/null"})),
    "no kid": ("token_malformed", lambda: OURS.token(header={"kid": None})),
    "kid is a list": ("token_malformed", lambda: unsigned(b"x" * 64, kid=["ES256"])),
    "critical extension": ("token_malformed", lambda: unsigned(b"x" * 64, crit=["b64"], b64=False)),
    "payload not encoded": ("token_malformed", lambda: unsigned(b"x" * 64, b64=False)),
    "an ID token": ("token_wrong_type", lambda: OURS.token(header={"typ": "JWT"}, nonce="n")),
    "no type": ("token_wrong_type", lambda: OURS.token(header={"typ": None})),
    "a logout token": ("token_wrong_type", lambda: OURS.token(header={"typ": "logout+jwt"})),
    "type is a list": ("token_wrong_type", lambda: unsigned(b"x" * 64, typ=["at+jwt"])),
    "two parts": ("token_malformed", lambda: OURS.token().rpartition(".")[0]),
    "four parts": ("token_malformed", lambda: OURS.token() + ".x"),
    "five parts, encrypted": ("token_malformed", lambda: "a.b.c.d.e"),
    "empty": ("token_malformed", lambda: ""),
    "not ASCII": ("token_malformed", lambda: "é.é.é"),
    "header is a list": ("token_malformed", lambda: pieces(b"[]", OURS.claims(), b"")),
    "header nests deep": ("token_malformed", lambda: pieces(b"[" * 2_000, OURS.claims(), b"")),
    "payload nests deep": ("token_malformed", lambda: pieces(OURS.header(), b"[" * 4_000, b"")),
    "payload is a list": ("token_invalid_claim", lambda: pieces(OURS.header(), b"[]", b"x" * 64)),
    "payload is no JSON": ("token_malformed", lambda: pieces(OURS.header(), b"{", b"x" * 64)),
    "too large": ("token_too_large", lambda: "x" * (MOST_BYTES + 1)),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_does_not_count(name: str) -> None:
    """S80: forged signatures, alg none, key confusion, header key material, ID tokens, and what is no token at all."""
    code, forge = FORGED[name]
    assert await refusal(forge()) == code


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": AT - 60}, "token_expired"),
        ({"exp": None}, "token_invalid_claim"),
        ({"exp": "tomorrow"}, "token_invalid_claim"),
        ({"exp": True}, "token_invalid_claim"),
        ({"exp": float("nan")}, "token_invalid_claim"),
        ({"exp": float("inf")}, "token_invalid_claim"),
        ({"exp": AT + 86_401}, "token_lives_too_long"),
        ({"exp": 10**400}, "token_lives_too_long"),
        ({"iat": AT + 61}, "token_not_yet_valid"),
        ({"nbf": AT + 61}, "token_not_yet_valid"),
        ({"iat": None}, "token_invalid_claim"),
        ({"iss": "https://evil.example"}, "token_wrong_issuer"),
        ({"iss": "https://id.example/"}, "token_wrong_issuer"),
        ({"iss": "https://ID.example"}, "token_wrong_issuer"),
        ({"iss": ["https://id.example"]}, "token_wrong_issuer"),
        ({"iss": None}, "token_wrong_issuer"),
        ({"aud": "onefold"}, "token_wrong_audience"),
        ({"aud": [AUDIENCE, "billing"]}, "token_wrong_audience"),
        ({"aud": []}, "token_wrong_audience"),
        ({"aud": AUDIENCE + "/x"}, "token_wrong_audience"),
        ({"aud": "urn:onefold:workspace:*"}, "token_wrong_audience"),
        ({"aud": {"0": AUDIENCE}}, "token_wrong_audience"),
        ({"aud": None}, "token_wrong_audience"),
        ({"sub": None}, "token_invalid_claim"),
        ({"sub": ""}, "token_invalid_claim"),
        ({"sub": " "}, "token_invalid_claim"),
        ({"sub": 7}, "token_invalid_claim"),
        ({"sub": "x" * 256}, "token_invalid_claim"),
        ({"sub": "a\0b"}, "token_invalid_claim"),
        ({"sub": "\ud800"}, "token_invalid_claim"),
        ({"cnf": {"jkt": "x"}}, "token_bound"),
    ],
)
async def test_a_token_with_wrong_claims_does_not_count(claims: dict[str, Any], code: str) -> None:
    """S80: exact issuer and audience, in its time, with a subject, and a bearer token."""
    assert await refusal(OURS.token(**claims)) == code


@pytest.mark.asyncio
async def test_clocks_may_be_off_by_a_minute_and_no_more() -> None:
    """S80: ± 60 s."""
    token = OURS.token()
    assert await verified(token, now=NOW + timedelta(seconds=659))
    assert await refusal(token, now=NOW + timedelta(seconds=660)) == "token_expired"
    assert await verified(token, now=NOW - timedelta(seconds=60))
    assert await refusal(token, now=NOW - timedelta(seconds=61)) == "token_not_yet_valid"


@pytest.mark.asyncio
async def test_an_issuer_speaks_only_to_workspaces_that_trust_it() -> None:
    """S88: the audience names the workspace, so a token for one is none for another, whoever trusts the issuer."""
    assert await verified(OTHER.token(aud="urn:onefold:workspace:beta")) == Subject("beta", OTHER.issuer, "ann")
    assert await refusal(OURS.token(aud="urn:onefold:workspace:beta")) == "token_wrong_issuer"
    assert await refusal(OURS.token(aud="urn:onefold:workspace:nowhere")) == "token_wrong_issuer"


@pytest.mark.asyncio
async def test_nothing_that_a_token_holds_is_in_the_error_about_it() -> None:
    """S96, S97: neither in what is said nor in a traceback."""
    for text in (OURS.token(sub="canary", exp=AT - 60), OURS.token(aud="canary"), OURS.token(iss="canary"), unsigned(b"x", alg="canary")):
        with pytest.raises(InvalidAccessToken) as caught:
            await verified(text)
        assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_token_is_told_from_a_key_by_its_look() -> None:
    """What looks like a token is verified as one, and nothing else is."""
    assert looks_like_token(OURS.token())
    assert looks_like_token("x" * (MOST_BYTES + 1))
    assert not looks_like_token("of_srv_" + "0" * 43)
    assert not looks_like_token("")
