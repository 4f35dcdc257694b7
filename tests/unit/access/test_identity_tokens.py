"""Forged, foreign, stale and stolen identity tokens (S50, S51, S80): the corpus, each with the reason for which it does not count."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import traceback
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from onefold.access.identity_keys import IdentityKey, read_public_key
from onefold.access.identity_tokens import MOST_BYTES, Identity, InvalidToken, Verifier
from onefold.errors import InvalidMessage
from tests.support.signing import NOW, Server, pieces

if TYPE_CHECKING:
    from collections.abc import Callable

ACME, OTHER = Server(), Server("beta")
AT = int(NOW.timestamp())


async def verified(
    text: str, workspace: str = "acme", *, now: datetime = NOW, keys: dict[tuple[str, uuid.UUID], IdentityKey] | None = None
) -> Identity:
    """What the collector of these keys reads in a token."""
    known = {(server.workspace, server.key_id): server.key() for server in (ACME, OTHER)} if keys is None else keys

    async def find(asked: str, key_id: uuid.UUID) -> IdentityKey | None:
        return known.get((asked, key_id))

    return await Verifier(find, now=lambda: now).verify(workspace, text)


async def refusal(text: str, workspace: str = "acme", **more: Any) -> str:
    """The reason for which a token does not count."""
    with pytest.raises(InvalidToken) as caught:
        await verified(text, workspace, **more)
    return caught.value.code


def by_hand(header: dict[str, Any], signature: bytes, claims: dict[str, Any] | None = None) -> str:
    """A token that no library would write."""
    return pieces(header, claims or ACME.claims(), signature)


def by_hmac(secret: bytes) -> str:
    """Key confusion: signed with what everybody knows, the public key, as if it were a shared secret."""
    signed = pieces(ACME.header(alg="HS256"), ACME.claims())
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_own_key(**header: Any) -> str:
    """Signed by a stranger, who brings his key along."""
    stranger = ECKey.generate_key("P-256")
    brought = {name: stranger.as_dict(private=False) if name == "jwk" else value for name, value in header.items()}
    signed = pieces(ACME.header(**brought), ACME.claims())
    inner = jws.serialize_compact({"alg": "ES256"}, b"", stranger, algorithms=["ES256"]).rpartition(".")[2]
    return f"{signed}.{inner}"


def with_other_claims(token: str, **changes: Any) -> str:
    """The same signature under another payload."""
    header, _, signature = token.split(".")
    return f"{header}.{pieces(ACME.claims(**changes))}.{signature}"


def signed_as(algorithm: str, key: Any) -> str:
    """Signed well, but by another algorithm."""
    return jwt.encode(ACME.header(alg=algorithm), ACME.claims(), key, algorithms=[algorithm], default_type=None)


@pytest.mark.asyncio
async def test_a_token_names_its_visitor() -> None:
    """S50: subject, and optionally e-mail, phone and anonymous id."""
    assert await verified(ACME.token()) == Identity("u1")
    everything: dict[str, Any] = {"email": "Ann@Example.com", "phone": "+4915112345678", "anonymous_id": "d3a1"}
    assert await verified(ACME.token(**everything)) == Identity("u1", **everything)
    assert await verified(ACME.token(aud=["onefold"])) == Identity("u1")
    assert await verified(OTHER.token(), "beta") == Identity("u1")


FORGED: dict[str, tuple[str, Callable[[], str]]] = {
    "alg none, no signature": ("token_wrong_algorithm", lambda: by_hand(ACME.header(alg="none"), b"")),
    "alg none, in other letters": ("token_wrong_algorithm", lambda: by_hand(ACME.header(alg="NoNe"), b"")),
    "alg none, with the signature left": ("token_wrong_algorithm", lambda: by_hand(ACME.header(alg="none"), b"x" * 64)),
    "no alg": ("token_malformed", lambda: by_hand(ACME.header(alg=None), b"x" * 64)),
    "alg is a list": ("token_malformed", lambda: by_hand(ACME.header(alg=["ES256"]), b"x" * 64)),
    "key confusion, PEM": ("token_wrong_algorithm", lambda: by_hmac(ACME.pair.as_pem(private=False))),
    "key confusion, DER": ("token_wrong_algorithm", lambda: by_hmac(ACME.pair.as_der(private=False))),
    "key confusion, empty secret": ("token_wrong_algorithm", lambda: by_hmac(b"")),
    "HS256 by a shared secret": ("token_wrong_algorithm", lambda: signed_as("HS256", OctKey.generate_key(256))),
    "RS256": ("token_wrong_algorithm", lambda: signed_as("RS256", RSAKey.generate_key(2048))),
    "ES384": ("token_wrong_algorithm", lambda: signed_as("ES384", ECKey.generate_key("P-384"))),
    "empty signature": ("token_bad_signature", lambda: by_hand(ACME.header(), b"")),
    "signature of zeros": ("token_bad_signature", lambda: by_hand(ACME.header(), bytes(64))),
    "signature too short": ("token_bad_signature", lambda: ACME.token()[:-4]),
    "signature in DER": ("token_bad_signature", lambda: by_hand(ACME.header(), b"\x30\x06\x02\x01\x01\x02\x01\x01")),
    "another server's key under this kid": ("token_bad_signature", lambda: OTHER.token(header={"kid": str(ACME.key_id)}, iss="acme")),
    "other subject under an old signature": ("token_bad_signature", lambda: with_other_claims(ACME.token(), sub="victim")),
    "later end under an old signature": ("token_bad_signature", lambda: with_other_claims(ACME.token(), exp=AT + 3_000)),
    "brings its key, jwk": ("token_bad_signature", lambda: with_own_key(jwk=True)),
    "names a place for its key, jku": ("token_bad_signature", lambda: with_own_key(jku="https://evil.example/keys")),
    "names a place for its certificate, x5u": ("token_bad_signature", lambda: with_own_key(x5u="https://evil.example/cert")),
    "unknown kid": ("token_unknown_key", lambda: ACME.token(header={"kid": str(uuid.UUID(int=7))})),
    "kid is a path": ("token_unknown_key", lambda: ACME.token(header={"kid": "../../dev/null"})),
    "kid is SQL": ("token_unknown_key", lambda: ACME.token(header={"kid": "' or true --"})),
    "no kid": ("token_malformed", lambda: ACME.token(header={"kid": None})),
    "kid is a number": ("token_malformed", lambda: by_hand(ACME.header(kid=7), b"x" * 64)),
    "critical header that nobody knows": ("token_malformed", lambda: by_hand(ACME.header(crit=["exp"], exp=1), b"x" * 64)),
    "an ID token": ("token_wrong_type", lambda: ACME.token(header={"typ": "JWT"})),
    "no type": ("token_wrong_type", lambda: ACME.token(header={"typ": None})),
    "empty": ("token_malformed", lambda: ""),
    "two parts": ("token_malformed", lambda: ACME.token().rpartition(".")[0]),
    "four parts": ("token_malformed", lambda: ACME.token() + ".x"),
    "five parts, encrypted": ("token_malformed", lambda: "a.b.c.d.e"),
    "not ASCII": ("token_malformed", lambda: "é.é.é"),
    "header is a list": ("token_malformed", lambda: pieces(b"[]", ACME.claims(), b"")),
    "header nests deep": ("token_malformed", lambda: pieces(b"[" * 370, ACME.claims(), b"")),
    "header is no JSON": ("token_malformed", lambda: pieces(b"{", ACME.claims(), b"")),
    "too large": ("token_too_large", lambda: "x" * (MOST_BYTES + 1)),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_does_not_count(name: str) -> None:
    """S51, S80: forged signatures, alg none, key confusion, header key material, and what is no token at all."""
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
        ({"exp": AT + 3_601}, "token_lives_too_long"),
        ({"exp": 10**400}, "token_lives_too_long"),
        ({"iat": AT + 61}, "token_not_yet_valid"),
        ({"nbf": AT + 61}, "token_not_yet_valid"),
        ({"iat": None}, "token_invalid_claim"),
        ({"iss": "beta"}, "token_wrong_issuer"),
        ({"iss": None}, "token_invalid_claim"),
        ({"aud": "onefold.example"}, "token_wrong_audience"),
        ({"aud": ["onefold", "billing"]}, "token_wrong_audience"),
        ({"aud": None}, "token_invalid_claim"),
        ({"sub": None}, "token_invalid_claim"),
        ({"sub": " "}, "token_invalid_claim"),
        ({"sub": 7}, "token_invalid_claim"),
        ({"sub": "x" * 1_025}, "token_invalid_claim"),
        ({"email": ["a@example.com", "b@example.com"]}, "token_invalid_claim"),
        ({"phone": {"value": "1"}}, "token_invalid_claim"),
        ({"anonymous_id": ""}, "token_invalid_claim"),
        ({"email": "\ud800@example.com"}, "token_invalid_claim"),
    ],
)
async def test_a_token_with_wrong_claims_does_not_count(claims: dict[str, Any], code: str) -> None:
    """S50, S80: expired, too long a life, foreign issuer or audience, no subject."""
    assert await refusal(ACME.token(**claims)) == code


@pytest.mark.asyncio
async def test_clocks_may_be_off_by_a_minute_and_no_more() -> None:
    """S80: ± 60 s."""
    token = ACME.token()
    assert await verified(token, now=NOW + timedelta(seconds=659))
    assert await refusal(token, now=NOW + timedelta(seconds=660)) == "token_expired"
    assert await verified(token, now=NOW - timedelta(seconds=60))
    assert await refusal(token, now=NOW - timedelta(seconds=61)) == "token_not_yet_valid"


@pytest.mark.asyncio
async def test_a_token_of_another_workspace_does_not_count() -> None:
    """Cross-workspace (S88): neither by its key, nor where one server has the same key in both workspaces, by its issuer."""
    assert await refusal(OTHER.token()) == "token_unknown_key"
    shared = {(name, ACME.key_id): ACME.key() for name in ("acme", "beta")}
    assert await refusal(ACME.token(), "beta", keys=shared) == "token_wrong_issuer"


@pytest.mark.asyncio
async def test_a_key_counts_within_its_time_only() -> None:
    """Rotation (S59, F57): both keys count while they overlap; one that is to begin, or has ended, does not."""
    new = Server()
    keys = {
        ("acme", ACME.key_id): ACME.key(expires_at=NOW + timedelta(hours=1)),
        ("acme", new.key_id): new.key(not_before=NOW),
    }
    before, after = NOW - timedelta(minutes=1), NOW + timedelta(hours=1)
    assert await verified(ACME.token(), keys=keys)
    assert await verified(new.token(), keys=keys)
    assert await refusal(new.token(before), keys=keys, now=before) == "token_unknown_key"
    assert await refusal(ACME.token(after), keys=keys, now=after) == "token_unknown_key"


def test_only_a_public_key_on_the_right_curve_is_taken_over() -> None:
    """S80, and no private key ever comes into the database."""
    good = ACME.pair.as_pem(private=False)
    assert read_public_key(good).as_pem(private=False) == good
    with pytest.raises(InvalidMessage) as caught:
        read_public_key(ACME.pair.as_pem(private=True))
    assert caught.value.code == "private_key", "said in words that help"
    wrong = [
        ECKey.generate_key("P-384").as_pem(private=False),
        ECKey.generate_key("secp256k1").as_pem(private=False),
        RSAKey.generate_key(2048).as_pem(private=False),
        json.dumps(ACME.pair.as_dict(private=True)).encode(),
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"a secret word",
    ]
    for pem in wrong:
        with pytest.raises(InvalidMessage):
            read_public_key(pem)


@pytest.mark.asyncio
async def test_nothing_that_a_token_holds_is_in_the_error_about_it() -> None:
    """S96, S97: neither in what is said nor in a traceback, the library's own words among it."""
    for text in (ACME.token(sub="canary", exp=AT - 60), ACME.token(aud="canary"), by_hand(ACME.header(alg="canary"), b"x")):
        with pytest.raises(InvalidToken) as caught:
            await verified(text)
        assert "canary" not in "".join(traceback.format_exception(caught.value))
