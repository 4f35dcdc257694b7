"""What failed sign-ins are counted by (S32, S36)."""

from __future__ import annotations

import pytest

from onefold.access.attempts import Bucket, block, of_sign_in


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("nonsense", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str | None, expected: str) -> None:
    """Whoever has a /64 has as many addresses as they like."""
    assert block(address) == expected


def names(buckets: list[Bucket]) -> set[bytes]:
    """What they count by."""
    return {each.name for each in buckets}


def test_who_comes_from_a_known_place_is_counted_apart_from_strangers() -> None:
    """S36: what strangers fail at elsewhere, and on the way of whom one shares an address with, does not hold up its user."""
    known = of_sign_in("ann@example.com", "2001:db8::1", ["192.0.2.7", "2001:db8::2"])
    strange = of_sign_in("ann@example.com", "192.0.2.8", ["192.0.2.7", "2001:db8::2"])
    neighbour = of_sign_in("ben@example.com", "2001:db8::1", [])
    assert len(known) == 1
    assert len(names(strange)) == 3
    assert not names(known) & names(strange)
    assert not names(known) & names(neighbour)
    assert len(names(strange) & names(of_sign_in("ann@example.com", "192.0.2.9", []))) == 1, "the e-mail, from all strange places"
    assert len(names(strange) & names(of_sign_in("eve@example.com", "192.0.2.8", []))) == 1, "the place, for whatever e-mail"
