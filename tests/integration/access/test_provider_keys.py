"""The keys of OpenID providers, fetched over HTTP from a real one that misbehaves (S80, S81)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from onefold.access.fetching import MOST_BYTES, ProviderUnavailable, check_url
from onefold.access.oidc import AccessTokens, InvalidAccessToken, Subject
from onefold.access.provider_keys import ASK_AGAIN_SECONDS, FRESH_SECONDS, GRACE_SECONDS, Issuer, ProviderKeys
from onefold.errors import InvalidMessage
from tests.support.providers import Provider, Site, certificate_for, site
from tests.support.signing import NOW

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """What a ring takes for the time."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        """Now."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def ring(clock: Clock) -> ProviderKeys:
    """Nothing is known yet."""
    return ProviderKeys(now=clock)


@pytest.fixture
def issuer(provider: Provider) -> Issuer:
    """As acme configured it."""
    return Issuer("acme", provider.issuer)


def tokens(ring: ProviderKeys, issuer: Issuer) -> AccessTokens:
    """What verifies for a workspace with this issuer."""

    async def find(workspace: str, named: str) -> Issuer | None:
        return issuer if (workspace, named) == (issuer.workspace, issuer.issuer) else None

    return AccessTokens(find, ring.find, now=lambda: NOW)


@pytest.mark.asyncio
async def test_keys_come_from_where_the_issuer_says(ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site) -> None:
    """S81: discovered once, then remembered, for each algorithm."""
    verifier = tokens(ring, issuer)
    for algorithm in provider.pairs:
        assert await verifier.verify(provider.token(algorithm)) == Subject("acme", provider.issuer, "ann")
    assert place.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.asyncio
async def test_keys_come_from_a_configured_place(ring: ProviderKeys, provider: Provider, place: Site) -> None:
    """S81: then nothing is discovered."""
    place.say("/elsewhere", {"keys": provider.jwks()})
    configured = Issuer("acme", provider.issuer, f"{place.origin}/elsewhere")
    assert await tokens(ring, configured).verify(provider.token())
    assert place.asked == ["/elsewhere"]


@pytest.mark.asyncio
async def test_nothing_is_asked_for_an_issuer_that_is_not_configured(ring: ProviderKeys, issuer: Issuer, place: Site) -> None:
    """S81: not where the token says, however it says so."""
    stranger = Provider(f"{place.origin}/evil")
    place.say("/evil/.well-known/openid-configuration", {"issuer": stranger.issuer, "jwks_uri": f"{place.origin}/evil/keys"})
    place.say("/evil/keys", {"keys": stranger.jwks()})
    evil = {"jku": f"{place.origin}/evil/keys", "x5u": f"{place.origin}/evil/keys"}
    for token in (stranger.token(), stranger.token(header=evil), stranger.token(header=evil, iss=issuer.issuer)):
        with pytest.raises(InvalidAccessToken):
            await tokens(ring, issuer).verify(token)
    assert not [path for path in place.asked if "evil" in path]


@pytest.mark.asyncio
async def test_a_flood_of_unknown_names_asks_once_in_a_while(
    ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site, clock: Clock
) -> None:
    """S81: a kid flood costs the provider two questions in half a minute, and the good keys go on counting."""
    verifier = tokens(ring, issuer)
    assert await verifier.verify(provider.token())
    before = len(place.asked)
    for number in range(200):
        with pytest.raises(InvalidAccessToken, match="names no key"):
            await verifier.verify(provider.token(header={"kid": f"made up {number}"}))
    assert len(place.asked) == before
    clock.seconds += ASK_AGAIN_SECONDS
    flood = [verifier.verify(provider.token(header={"kid": f"made up {number}"})) for number in range(200)]
    results = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(each) for each in results} == {InvalidAccessToken}
    assert len(place.asked) == before + 2, "discovery and keys, once for all of them"
    assert await verifier.verify(provider.token())


@pytest.mark.asyncio
async def test_a_new_key_counts_as_soon_as_it_may_be_asked_for(
    ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site, clock: Clock
) -> None:
    """S81: rotation at the provider; a key that it took back stops counting when what it said is stale."""
    verifier = tokens(ring, issuer)
    assert await verifier.verify(provider.token())
    old = provider.token()
    provider.pairs = {"next": ECKey.generate_key("P-256"), "ES256": ECKey.generate_key("P-256")}
    fresh = provider.token("ES256", header={"kid": "next"})
    provider.pairs["next"] = provider.pairs["ES256"]
    del provider.pairs["ES256"]
    place.publish(provider)
    clock.seconds += ASK_AGAIN_SECONDS
    assert await verifier.verify(fresh)
    with pytest.raises(InvalidAccessToken, match="names no key"):
        await verifier.verify(old)


@pytest.mark.asyncio
async def test_a_key_that_was_taken_back_stops_counting(
    ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site, clock: Clock
) -> None:
    """S81: within ten minutes, without anybody naming a new one."""
    verifier = tokens(ring, issuer)
    assert await verifier.verify(provider.token())
    place.say("/keys", {"keys": []})
    clock.seconds += FRESH_SECONDS - 1
    assert await verifier.verify(provider.token())
    clock.seconds += 1
    with pytest.raises(InvalidAccessToken, match="names no key"):
        await verifier.verify(provider.token())


@pytest.mark.asyncio
async def test_an_outage_logs_nobody_out(ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site, clock: Clock) -> None:
    """S81: provider down; what it said last holds for a day, and it is asked again now and then, not at every call."""
    verifier = tokens(ring, issuer)
    assert await verifier.verify(provider.token())
    place.is_down = True
    clock.seconds += GRACE_SECONDS - 1
    before = len(place.asked)
    for _ in range(20):
        assert await verifier.verify(provider.token())
    assert len(place.asked) == before + 1
    clock.seconds += ASK_AGAIN_SECONDS
    with pytest.raises(ProviderUnavailable):
        await verifier.verify(provider.token())
    place.is_down = False
    clock.seconds += ASK_AGAIN_SECONDS
    assert await verifier.verify(provider.token())


@pytest.mark.asyncio
async def test_a_provider_that_never_answered_is_asked_now_and_then(
    ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site, clock: Clock
) -> None:
    """S81: it is not our flood that keeps it down."""
    place.is_down = True
    verifier = tokens(ring, issuer)
    for _ in range(20):
        with pytest.raises(ProviderUnavailable):
            await verifier.verify(provider.token())
    assert len(place.asked) == 1
    place.is_down = False
    clock.seconds += ASK_AGAIN_SECONDS
    assert await verifier.verify(provider.token())


@pytest.mark.asyncio
async def test_concurrent_calls_ask_once(ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site) -> None:
    """S81: the first calls of a busy minute."""
    place.delay_seconds = 0.05
    verifier = tokens(ring, issuer)
    await asyncio.gather(*(verifier.verify(provider.token()) for _ in range(50)))
    assert len(place.asked) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "document", "more"),
    [
        ("/keys", b"{", {}),
        ("/keys", [], {}),
        ("/keys", {"keys": {}}, {}),
        ("/keys", b"[" * 5_000, {}),
        ("/keys", b'{"keys": [], "x": "' + b"x" * MOST_BYTES + b'"}', {}),
        ("/keys", {"keys": []}, {"status": 302, "Location": "/moved"}),
        ("/keys", {"keys": []}, {"Content-Length": "1000"}),
        ("/keys", {"keys": []}, {"Content-Length": "nonsense"}),
        ("/.well-known/openid-configuration", {"issuer": "ISSUER"}, {}),
        ("/.well-known/openid-configuration", {"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}, {}),
        ("/.well-known/openid-configuration", {"issuer": "ISSUER", "jwks_uri": "http://169.254.169.254/keys"}, {}),
    ],
)
async def test_an_answer_that_is_none_is_an_outage(
    ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site, path: str, document: Any, more: dict[str, Any]
) -> None:
    """S81: cut short, too large, redirected, of another issuer, or pointing where nobody fetches keys."""
    place.say("/moved", {"keys": provider.jwks()})
    if isinstance(document, dict) and document.get("issuer") == "ISSUER":
        document = {**document, "issuer": issuer.issuer}
    place.say(path, document, **more)
    with pytest.raises(ProviderUnavailable):
        await tokens(ring, issuer).verify(provider.token())
    assert "/moved" not in place.asked


@pytest.mark.asyncio
async def test_an_issuer_that_calls_itself_another_is_not_believed(
    ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site
) -> None:
    """S81: what lies at the configured place must be the configured issuer's own."""
    place.publish(provider, issuer="https://another.example")
    with pytest.raises(ProviderUnavailable, match="another issuer"):
        await tokens(ring, issuer).verify(provider.token())
    assert "/keys" not in place.asked


@pytest.mark.asyncio
async def test_a_slow_provider_holds_nobody_up_for_long(
    ring: ProviderKeys, provider: Provider, issuer: Issuer, place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S81: a time for everything."""
    monkeypatch.setattr("onefold.access.provider_keys._FETCH_SECONDS", 0.2)
    place.delay_seconds = 1.0
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        await tokens(ring, issuer).verify(provider.token())
    assert time.monotonic() - began < 0.9


@pytest.mark.asyncio
async def test_only_keys_that_can_verify_are_taken(ring: ProviderKeys, issuer: Issuer, place: Site) -> None:
    """S80: no shared secrets, no private keys, no weak ones, none for encryption; the others of the same list count."""
    good = {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "good"}
    with pytest.warns(Warning, match="2048"):
        weak = RSAKey.generate_key(1_024).as_dict(private=False)
    listed = [
        7,
        {"kty": "made up", "kid": "a"},
        {**OctKey.generate_key(256).as_dict(), "kid": "b"},
        {**ECKey.generate_key("P-384").as_dict(private=False), "kid": "c"},
        {**ECKey.generate_key("P-256").as_dict(private=True), "kid": "d"},
        {**weak, "kid": "e"},
        {**good, "kid": "f", "use": "enc"},
        {**good, "kid": "g", "x": "AA"},
        {**good, "kid": 7},
        {"kty": "RSA", "kid": "h"},
        good,
    ]
    place.say("/keys", {"keys": listed})
    assert await ring.find(issuer, "good") is not None
    assert [name for name in "abcdefgh" if await ring.find(issuer, name) is not None] == []


@pytest.mark.asyncio
async def test_a_provider_must_have_a_certificate_that_is_trusted(
    ring: ProviderKeys, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S81: self-signed is an outage; the same server counts once its certificate is trusted, under the name that it was made for."""
    certificate, key = certificate_for("localhost", tmp_path)
    with site(certificate=certificate, key=key) as place:
        provider = Provider(place.origin)
        place.publish(provider)
        issuer = Issuer("acme", provider.issuer)
        with pytest.raises(ProviderUnavailable, match="SSLCertVerificationError"):
            await tokens(ring, issuer).verify(provider.token())
        assert place.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        clock.seconds += ASK_AGAIN_SECONDS
        assert await tokens(ring, issuer).verify(provider.token())
        elsewhere = Provider(place.origin.replace("localhost", "127.0.0.1"))
        with pytest.raises(ProviderUnavailable, match="SSLCertVerificationError"):
            await tokens(ring, Issuer("acme", elsewhere.issuer)).verify(elsewhere.token())


def test_keys_are_fetched_over_tls_or_from_this_machine() -> None:
    """S81: no plain HTTP to elsewhere, no user in the URL, no other scheme."""
    for good in (
        "https://id.example",
        "https://id.example:8443/realms/x?y=1",
        "http://127.0.0.1:80/x",
        "http://localhost/x",
    ):
        assert check_url(good) == good
    bad = [
        "HTTPS://id.example",
        "http://[::1]/",
        "http://id.example",
        "http://localhost.evil.example",
        "ftp://id.example",
        "https://",
        "https://a b",
        "https://id.example/#x",
    ]
    bad += [
        "https://127.0.0.1@evil.example",
        "https://id.example:0",
        "https://id.example:x",
        "https://[",
        "https://é.example",
        "",
        "https://a\r\nb",
    ]
    for each in bad:
        with pytest.raises(InvalidMessage):
            check_url(each)
