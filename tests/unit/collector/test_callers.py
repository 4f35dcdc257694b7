"""Whose address a request has, behind proxies that we know and before those that we do not."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from onefold.http.callers import client_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]
US, STRANGER, VISITOR = ("10.0.0.1", 4711), ("198.51.100.9", 4711), "203.0.113.7"


@pytest.mark.parametrize(
    ("peer", "header", "is_"),
    [
        pytest.param(US, VISITOR, VISITOR, id="what our proxy says"),
        pytest.param(STRANGER, VISITOR, STRANGER[0], id="what a stranger says of himself"),
        pytest.param(US, f"192.0.2.1, {VISITOR}", VISITOR, id="what the visitor wrote before our proxy added his own"),
        pytest.param(US, f"{VISITOR}, 10.9.9.9", VISITOR, id="two proxies of ours"),
        pytest.param(US, f"10.1.1.1, {VISITOR}", VISITOR, id="one that pretends to have come through ours"),
        pytest.param(US, f"{VISITOR}, nonsense", US[0], id="nothing is read past what is no address"),
        pytest.param(US, f"nonsense, {VISITOR}", VISITOR, id="nonsense further left is not looked at"),
        pytest.param(US, "", US[0], id="no header"),
        pytest.param(("2001:db8:1::5", 1), "2001:db8:ffff::7", "2001:db8:ffff::7", id="IPv6"),
        pytest.param(None, VISITOR, None, id="a socket without an address"),
    ],
)
def test_an_address_is_counted_from_the_right_past_trusted_proxies_only(peer: tuple[str, int] | None, header: str, is_: str | None) -> None:
    """S33."""
    assert client_address(peer, {b"x-forwarded-for": header.encode()}, TRUSTED) == is_


def test_without_configured_proxies_no_header_counts() -> None:
    """S33."""
    assert client_address(US, {b"x-forwarded-for": VISITOR.encode()}, []) == US[0]
