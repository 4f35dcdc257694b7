"""Which addresses may be reached (security.md, S87): public unicast ones, and those of networks that the installation names.

Lists of our own instead of `ipaddress.is_global`, whose answers differ between releases of Python and which knows nothing of the
addresses inside others (IPv4-mapped, NAT64, 6to4, Teredo). Pure. Called by `client`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    MayReach: TypeAlias = "Callable[[Address, bool], bool]"
    """Whether an address may be reached; with the second, without TLS."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host, and whatever a system takes for it
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by carriers; one cloud's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # another cloud's platform, though public by its number
            "169.254.0.0/16",  # link-local, metadata of most clouds among it
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation, as two more below
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast among it
        ),
    )
)
_PUBLIC_6: Final = IPv6Network("2000::/3")
"""All that was ever given out as unicast. So loopback, mapped, unique local, link-local, multicast and both NAT64 prefixes lie outside."""
_NOT_PUBLIC_6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation, as one more below
            "2002::/16",  # 6to4: an IPv4 address inside
            "3fff::/20",
        ),
    )
)


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet: nobody's own network, nothing special."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and address.scope_id is None and not any(address in network for network in _NOT_PUBLIC_6)


def anywhere(_address: Address, _is_plain: bool) -> bool:
    """For places that an administrator of the installation chose."""
    return True


def public_or(networks: Sequence[Network]) -> MayReach:
    """Public addresses, over TLS; and, with or without it, those of the networks that the installation allows."""

    def may_reach(address: Address, is_plain: bool) -> bool:
        return any(address in network for network in networks) or (not is_plain and is_public(address))

    return may_reach
