"""ID tokens of OpenID providers (S45, S80): what they prove, and the corpus of forged ones, each with the reason why it does not count."""

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

from onefold.access.id_tokens import ALGORITHMS, MOST_BYTES, SENTENCES, IdTokens, InvalidIdToken, SignedIn
from onefold.records.contact_issuers import ContactIssuerRow
from tests.support.providers import Provider
from tests.support.signing import NOW, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onefold.access.provider_keys import Issuer

OURS, OTHER = Provider(), Provider("https://other.example")
AT = int(NOW.timestamp())
AUDIENCES = ["site", "app"]
DOMAINS = {OURS.issuer: ["gmail.com", "xn--bcher-kva.example"], OTHER.issuer: []}
TRUSTED = {("acme", OURS.issuer), ("acme", OTHER.issuer), ("beta", OTHER.issuer)}

pytestmark = pytest.mark.asyncio


async def verified(text: str, *, now: datetime = NOW, nonce: str | None = None, workspace: str = "acme") -> SignedIn:
    """Whom acme, which trusts both providers, and beta, which trusts one, read in a token."""

    async def find_issuer(workspace: str, issuer: str) -> ContactIssuerRow | None:
        if (workspace, issuer) not in TRUSTED:
            return None
        return ContactIssuerRow(workspace, issuer, "title", AUDIENCES, DOMAINS[issuer], None, is_enabled=True, created_at=NOW)

    async def find_key(issuer: Issuer, name: str) -> ECKey | RSAKey | None:
        return await OURS.find_key(issuer, name) or await OTHER.find_key(issuer, name)

    return await IdTokens(find_issuer, find_key, now=lambda: now).verify(workspace, text, nonce)


async def refusal(text: str, **more: Any) -> str:
    """The reason for which a token does not count."""
    with pytest.raises(InvalidIdToken) as caught:
        await verified(text, **more)
    assert str(caught.value) == SENTENCES[caught.value.code]
    return caught.value.code


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_names_a_subject_of_its_issuer(algorithm: str) -> None:
    """S45, S80: by each algorithm of the list, with a type or none, made out to one of the site's clients."""
    for token in (
        OURS.id_token(algorithm),
        OURS.id_token(algorithm, header={"typ": None, "x5t": "abc", "made_up": 1}),
        OURS.id_token(algorithm, aud=["app"], azp="app"),
        OURS.id_token(algorithm, aud=["app", "billing"], azp="app"),
    ):
        told = await verified(token)
        assert (told.issuer, told.subject, told.email, told.is_vouched_for) == ("https://id.example", "ann", None, False)


async def test_a_subject_is_of_its_issuer() -> None:
    """S45: the same words of two issuers name two people."""
    assert (await verified(OTHER.id_token())).issuer == "https://other.example"
    assert await refusal(OURS.id_token(), workspace="beta") == "token_wrong_issuer", "S88: the workspace is the site's"


@pytest.mark.parametrize(
    ("claims", "email", "is_vouched_for"),
    [
        ({"email": "ann@gmail.com", "email_verified": True}, "ann@gmail.com", True),
        ({"email": " Ann@GMail.com", "email_verified": True}, "Ann@GMail.com", True),
        ({"email": "ann@bücher.example", "email_verified": "true"}, "ann@bücher.example", True),
        ({"email": "ann@gmail.com", "email_verified": False}, "ann@gmail.com", False),
        ({"email": "ann@gmail.com", "email_verified": "yes"}, "ann@gmail.com", False),
        ({"email": "ann@gmail.com", "email_verified": 1}, "ann@gmail.com", False),
        ({"email": "ann@gmail.com"}, "ann@gmail.com", False),
        ({"email": "ann@example.com", "email_verified": True}, "ann@example.com", False),
        ({"email": "ann@mail.gmail.com", "email_verified": True}, "ann@mail.gmail.com", False),
        ({"email": "ann@gmail.com.example", "email_verified": True}, "ann@gmail.com.example", False),
        ({"email": "ann@example.com@gmail.com", "email_verified": True}, None, False),
        ({"email": '"ann@example.com"@gmail.com', "email_verified": True}, None, False),
        ({"email": ["ann@gmail.com"], "email_verified": True}, None, False),
        ({"email": "ann@gmail.com\n", "email_verified": True}, None, False),
        ({"email": "gmail.com", "email_verified": True}, None, False),
        ({"email_verified": True}, None, False),
    ],
)
async def test_an_email_is_vouched_for_where_its_issuer_may(claims: Mapping[str, Any], email: str | None, is_vouched_for: bool) -> None:
    """S45: `email_verified`, and one of the issuer's own domains, exactly; whatever else is a claim, or is no address."""
    told = await verified(OURS.id_token(**claims))
    assert (told.email, told.is_vouched_for) == (email, is_vouched_for)
    assert not (await verified(OTHER.id_token(**claims))).is_vouched_for, "an issuer without domains vouches for none"


async def test_names_are_taken_where_they_are_some() -> None:
    told = await verified(OURS.id_token(given_name=" Ann ", family_name="Lee"))
    assert (told.given_name, told.last_name) == ("Ann", "Lee")
    told = await verified(OURS.id_token(given_name=["Ann"], family_name="x" * 201))
    assert (told.given_name, told.last_name) == (None, None)


def by_hmac(secret: bytes) -> str:
    """Key confusion: signed with what everybody knows, the public key, as if it were a shared secret."""
    signed = pieces(OURS.header("HS256", kid="RS256", typ="JWT"), OURS.claims(aud="site"))
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def by_stranger(**header: Any) -> str:
    """Signed well, by a key that nobody knows, which the header may bring along."""
    stranger = ECKey.generate_key("P-256")
    brought: dict[str, Any] = {name: stranger.as_dict(private=False) if name == "jwk" else value for name, value in header.items()}
    signed = pieces(OURS.header(typ="JWT", **brought), OURS.claims(aud="site"))
    inner = jws.JWSRegistry.algorithms["ES256"].sign(signed.encode(), stranger)
    return f"{signed}.{base64.urlsafe_b64encode(inner).rstrip(b'=').decode()}"


def unsigned(signature: bytes = b"", **header: Any) -> str:
    """A token that no library would write."""
    return pieces(OURS.header(**{"typ": "JWT", **header}), OURS.claims(aud="site"), signature)


def with_other_claims(**changes: Any) -> str:
    """The same signature under another payload."""
    header, _, signature = OURS.id_token().split(".")
    return f"{header}.{pieces(OURS.claims(aud='site', **changes))}.{signature}"


FORGED: dict[str, tuple[str, Callable[[], str]]] = {
    "alg none, no signature": ("token_wrong_algorithm", lambda: unsigned(alg="none")),
    "alg none, in other letters": ("token_wrong_algorithm", lambda: unsigned(alg="NoNe")),
    "key confusion, PEM": ("token_wrong_algorithm", lambda: by_hmac(OURS.pairs["RS256"].as_pem(private=False))),
    "HS256 by the client's secret": (
        "token_wrong_algorithm",
        lambda: jws.serialize_compact(OURS.header("HS256", kid="ES256"), b"{}", OctKey.generate_key(256), algorithms=["HS256"]),
    ),
    "ES256 under the name of an RSA key": ("token_malformed", lambda: OURS.id_token(header={"kid": "RS256"})),
    "empty signature": ("token_bad_signature", unsigned),
    "signature of zeros": ("token_bad_signature", lambda: unsigned(bytes(64))),
    "other subject under an old signature": ("token_bad_signature", lambda: with_other_claims(sub="root")),
    "other e-mail under an old signature": ("token_bad_signature", lambda: with_other_claims(email="eve@gmail.com", email_verified=True)),
    "another issuer's key": ("token_bad_signature", lambda: OTHER.id_token(iss=OURS.issuer)),
    "brings its key, jwk": ("token_bad_signature", lambda: by_stranger(jwk=True)),
    "names a place for its key, jku": ("token_bad_signature", lambda: by_stranger(jku="https://evil.example/keys")),
    "brings a certificate, x5c": ("token_bad_signature", lambda: by_stranger(x5c=["MIIB"])),
    "unknown kid": ("token_unknown_key", lambda: OURS.id_token(header={"kid": "nobody"})),
    "no kid": ("token_malformed", lambda: OURS.id_token(header={"kid": None})),
    "critical extension": ("token_malformed", lambda: unsigned(b"x" * 64, crit=["b64"], b64=False)),
    "an access token": ("token_wrong_type", lambda: OURS.token(aud="site")),
    "an access token without its type": ("token_wrong_type", lambda: OURS.id_token(scope="openid email")),
    "a logout token": ("token_wrong_type", lambda: OURS.id_token(header={"typ": "logout+jwt"})),
    "a logout token without its type": ("token_wrong_type", lambda: OURS.id_token(events={"http://schemas.openid.net/event/logout": {}})),
    "bound to a key": ("token_wrong_type", lambda: OURS.id_token(cnf={"jkt": "x"})),
    "two parts": ("token_malformed", lambda: OURS.id_token().rpartition(".")[0]),
    "five parts, encrypted": ("token_malformed", lambda: "a.b.c.d.e"),
    "payload is a list": ("token_invalid_claim", lambda: pieces(OURS.header(typ="JWT"), b"[]", b"x" * 64)),
    "too large": ("token_too_large", lambda: "x" * (MOST_BYTES + 1)),
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_does_not_count(name: str) -> None:
    """S45, S80: forged signatures, alg none, key confusion, header key material, tokens of other kinds, and what is no token at all."""
    code, forge = FORGED[name]
    assert await refusal(forge()) == code


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": AT - 60}, "token_expired"),
        ({"exp": None}, "token_invalid_claim"),
        ({"exp": AT + 86_401}, "token_lives_too_long"),
        ({"iat": AT - 601}, "token_expired"),
        ({"iat": AT + 61}, "token_not_yet_valid"),
        ({"iat": None}, "token_invalid_claim"),
        ({"iat": float("nan")}, "token_not_yet_valid"),
        ({"iat": True}, "token_not_yet_valid"),
        ({"nbf": AT + 61}, "token_not_yet_valid"),
        ({"iss": "https://evil.example"}, "token_wrong_issuer"),
        ({"iss": "https://id.example/"}, "token_wrong_issuer"),
        ({"iss": ["https://id.example"]}, "token_wrong_issuer"),
        ({"iss": "https://id.example\0"}, "token_wrong_issuer"),
        ({"iss": None}, "token_wrong_issuer"),
        ({"aud": "another site"}, "token_wrong_audience"),
        ({"aud": []}, "token_wrong_audience"),
        ({"aud": [["site"]]}, "token_wrong_audience"),
        ({"aud": {"site": 1}}, "token_wrong_audience"),
        ({"aud": "urn:onefold:workspace:acme"}, "token_wrong_audience"),
        ({"aud": ["site", "billing"]}, "token_wrong_audience"),
        ({"aud": ["site", "billing"], "azp": "billing"}, "token_wrong_audience"),
        ({"azp": "another site"}, "token_wrong_audience"),
        ({"azp": ["site"]}, "token_wrong_audience"),
        ({"aud": None}, "token_invalid_claim"),
        ({"sub": None}, "token_invalid_claim"),
        ({"sub": ""}, "token_invalid_claim"),
        ({"sub": "ann "}, "token_invalid_claim"),
        ({"sub": "ånn"}, "token_invalid_claim"),
        ({"sub": 7}, "token_invalid_claim"),
        ({"sub": "x" * 256}, "token_invalid_claim"),
        ({"nonce": "theirs"}, "token_wrong_nonce"),
    ],
)
async def test_a_token_with_wrong_claims_does_not_count(claims: dict[str, Any], code: str) -> None:
    """S45, S80: exact issuer and audience, in its time, with a subject that is compared as it is written."""
    assert await refusal(OURS.id_token(**claims)) == code


async def test_a_nonce_is_the_one_that_the_page_sent() -> None:
    assert (await verified(OURS.id_token(nonce="n"), nonce="n")).subject == "ann"
    assert await refusal(OURS.id_token(nonce="n"), nonce="m") == "token_wrong_nonce"
    assert await refusal(OURS.id_token(), nonce="n") == "token_wrong_nonce", "the page sent one, so the token is of another asking"


async def test_a_token_counts_for_ten_minutes() -> None:
    """S80: clocks may be off by a minute; what a page kept for longer is of no use to whoever finds it."""
    token = OURS.id_token(exp=AT + 3_600)
    assert await verified(token, now=NOW + timedelta(minutes=10))
    assert await refusal(token, now=NOW + timedelta(seconds=601)) == "token_expired"
    assert await verified(token, now=NOW - timedelta(seconds=60))
    assert await refusal(token, now=NOW - timedelta(seconds=61)) == "token_not_yet_valid"
    assert await verified(OURS.id_token(exp=AT + 30), now=NOW + timedelta(seconds=89))
    assert await refusal(OURS.id_token(exp=AT + 30), now=NOW + timedelta(seconds=90)) == "token_expired"


async def test_nothing_that_a_token_holds_is_in_the_error_about_it() -> None:
    """S96, S97: neither in what is said nor in a traceback."""
    for text in (OURS.id_token(sub="canary", exp=AT - 60), OURS.id_token(aud="canary"), OURS.id_token(iss="canary")):
        with pytest.raises(InvalidIdToken) as caught:
            await verified(text)
        assert "canary" not in "".join(traceback.format_exception(caught.value))
