"""From where a key may be used (product-facts 2.3)."""

from __future__ import annotations

import pytest

from onefold.access.places import EVERYWHERE, Place, Places

HERE = "192.0.2.7"


@pytest.mark.parametrize(
    ("pattern", "page", "expected"),
    [
        ("https://example.com", "https://example.com", True),
        ("https://example.com/*", "https://example.com/pricing?x=1", True),
        ("https://example.com/shop/*", "https://example.com", True),
        ("https://example.com", "https://EXAMPLE.com:443/", True),
        ("https://Example.com", "https://example.com", True),
        ("https://example.com", "http://example.com", False),
        ("https://example.com", "https://example.com:8443", False),
        ("https://example.com:8443", "https://example.com:8443", True),
        ("http://localhost:*", "http://localhost:3000", True),
        ("http://localhost", "http://localhost:3000", False),
        ("https://*.example.com/*", "https://shop.example.com", True),
        ("https://*.example.com/*", "https://a.b.example.com", True),
        ("https://*.example.com/*", "https://example.com", False),
        ("https://*.example.com", "https://example.com.evil.example", False),
        ("https://*.example.com", "https://evilexample.com", False),
        ("https://example.com", "https://example.com@evil.example", False),
        ("https://example.com", "https://evil.example/https://example.com", False),
        ("https://example.com", "null", False),
        ("https://example.com", "", False),
        ("https://example.com", "https://[", False),
        ("https://example.com", "https://example.com:nonsense", False),
        ("https://example.com", "javascript:alert(1)//https://example.com", False),
    ],
)
def test_a_page_is_of_a_pattern_by_scheme_host_and_port(pattern: str, page: str, expected: bool) -> None:
    """S62: what browsers say of themselves; paths they do not say."""
    assert Places(urls=(pattern,)).admits(Place(HERE, page)) is expected
    assert Places(urls=("https://other.example", pattern)).admits(Place(HERE, page)) is expected


def test_a_key_with_urls_lets_in_pages_only_and_one_without_lets_in_everything() -> None:
    assert not Places(urls=("https://example.com",)).admits(Place(HERE, None))
    for place in (Place(None, None), Place(HERE, "https://evil.example"), Place("nonsense", "null")):
        assert EVERYWHERE.admits(place)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        (None, False),
        ("x", False),
    ],
)
def test_an_address_is_one_of_those_listed_or_within_a_network(address: str | None, expected: bool) -> None:
    """In both families, an IPv4 address in the clothes of an IPv6 one too."""
    assert Places(addresses=("192.0.2.7", "2001:db8::/32")).admits(Place(address, None)) is expected


def test_both_must_hold() -> None:
    both = Places(("https://example.com",), ("192.0.2.0/24",))
    assert both.admits(Place(HERE, "https://example.com"))
    assert not both.admits(Place(HERE, "https://evil.example"))
    assert not both.admits(Place("198.51.100.1", "https://example.com"))
