"""From where a key may be used: pages by their origin, and addresses (product-facts 2.3). Pure; for write keys and for service keys.

That a page is what it says is friction, not proof (S62): whoever is no browser writes any `Origin`. An address is as good as the proxies
that name it (S33). So both narrow what a lost key is good for, and neither makes a public key a secret one.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


class Place(NamedTuple):
    """From where a call comes."""

    address: str | None
    page: str | None
    """Its `Origin`, else its `Referer`; none where no browser's page called."""


@dataclass(frozen=True, slots=True)
class Places:
    """From where a key may be used. Empty is from everywhere."""

    urls: tuple[str, ...] = ()
    """With wildcards: https://*.example.com/*. Paths do not count, since browsers do not say them to other sites."""
    addresses: tuple[str, ...] = ()
    """Addresses or networks."""

    def admits(self, place: Place) -> bool:
        """Whether a call from there is let in. With URLs, what comes from no page is not."""
        if self.urls and not any(_matches(each, place.page or "") for each in self.urls):
            return False
        return not self.addresses or is_within(place.address, self.addresses)


EVERYWHERE: Final = Places()


def is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of these networks or is one of these addresses."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(each, strict=False) for each in networks)


def _matches(pattern: str, page: str) -> bool:
    """Whether a page is of this pattern: its scheme, its host or any below it (`*.`), its port or any (`:*`)."""
    scheme, _, rest = pattern.partition("://")
    host, _, port = rest.partition("/")[0].partition(":")
    try:
        parts = urlsplit(page)
        found_host, found_port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return False
    if parts.scheme != scheme.lower() or (port != "*" and found_port != (int(port) if port.isdigit() else _PORTS[scheme.lower()])):
        return False
    host = host.lower()
    return found_host.endswith(host[1:]) and len(found_host) >= len(host) if host.startswith("*.") else found_host == host
