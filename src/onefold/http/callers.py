"""Who calls: the visitor's address behind proxies that we know (S33), and how a browser reaches us."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

from onefold.errors import ConfigurationError
from onefold.records.log import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request

Network = IPv4Network | IPv6Network

_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


def client_address(client: Sequence[Any] | None, headers: Mapping[bytes, bytes], trusted: Sequence[Network]) -> str | None:
    """The address that a header of a trusted proxy names, counted from the right past all trusted ones; else the peer's own."""
    peer = str(client[0]) if client else None
    if not trusted or peer is None or not _is_trusted(peer, trusted):
        return peer
    hops = [hop.strip() for hop in headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",") if hop.strip()]
    for hop in reversed(hops):
        if _address(hop) is None:
            return peer
        peer = hop
        if not _is_trusted(hop, trusted):
            break
    return peer


def origin_of(request: Request, trusted: Sequence[Network], request_id: str) -> Origin:
    """Where a call comes from, as the log keeps it."""
    client = (request.client.host, request.client.port) if request.client is not None else None
    raw = {name.lower(): value for name, value in request.scope["headers"]}
    agent = request.headers.get("user-agent")
    return Origin(client_address(client, raw, trusted), agent[:500] if agent else None, request_id)


def networks_of(texts: Sequence[str], setting: str) -> tuple[Network, ...]:
    """Networks as a setting names them. Raises ConfigurationError."""
    try:
        return tuple(ipaddress.ip_network(network) for network in texts)
    except ValueError as error:
        raise ConfigurationError(f"{setting}: {error}. Name networks, such as 10.0.0.0/8.") from error


def base_url(scheme: str, headers: Mapping[bytes, bytes], public_url: str | None) -> str | None:
    """Our own address, as the caller knows it; None where the Host header is no host."""
    if public_url is not None:
        return public_url.rstrip("/")
    host = headers.get(b"host", b"").decode("latin-1")
    return f"{scheme}://{host}" if _HOST.fullmatch(host) else None


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in trusted)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
