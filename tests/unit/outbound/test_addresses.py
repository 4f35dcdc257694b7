"""Which addresses webhooks may reach (S87)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from onefold.outbound.addresses import is_public, public_or
from onefold.outbound.client import split_url

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.255.255",
    "192.0.3.1",
    "2606:4700::1111",
    "2a00:1450::8",
]
NOT_PUBLIC = {
    "this host": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104 -- none is bound to
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "carriers": ["100.64.0.1", "100.127.255.255"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"],
    "unique local": ["fc00::1", "fdff::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "IPv4 inside": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2001:0:1::1"],
    "site-local": ["fec0::1"],
}


def test_s87_public_addresses_are_reached_over_tls_only() -> None:
    """S87."""
    may_reach = public_or(())
    assert [each for each in PUBLIC if not is_public(ip_address(each))] == []
    assert [each for each in PUBLIC if may_reach(ip_address(each), True) or not may_reach(ip_address(each), False)] == []


@pytest.mark.parametrize("kind", list(NOT_PUBLIC))
def test_s87_an_address_that_is_nobodys_or_somebodys_own_is_not_reached(kind: str) -> None:
    """S87: nor one that hides another inside."""
    assert [each for each in NOT_PUBLIC[kind] if public_or(())(ip_address(each), False)] == []


def test_s87_a_network_that_the_installation_names_is_reached_and_no_other() -> None:
    """S87: with or without TLS."""
    may_reach = public_or([ip_network("10.20.0.0/16"), ip_network("fd00:1::/32")])
    for text, expected in {"10.20.3.4": True, "fd00:1::5": True, "10.21.0.1": False, "::ffff:10.20.3.4": False, "127.0.0.1": False}.items():
        assert may_reach(ip_address(text), True) is may_reach(ip_address(text), False) is expected, text


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/", "//a.example", "https://", "https://user@a.example/", "https://a.example/#x", "https://a.example:0/",
        "https://a.example:99999/", "https://a.example/a b", "https://a.example/\r\nX: y", "https://ä.example/", "javascript:1", "https://[::1",
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_request_is_no_url(url: str) -> None:
    assert split_url(url) is None
