"""What the collector may be told to do otherwise, with the defaults of the contract (interfaces.md C1, S37, S38).

Made from the settings by `role`; everything else in this room takes it from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onefold.http.callers import networks_of
from onefold.http.collector.events import Bounds
from onefold.http.connection import HeadBounds

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from onefold.settings import CollectorSettings


@dataclass(frozen=True, slots=True)
class Options:
    """Limits and addresses. Sizes in bytes, times in seconds."""

    body_bytes: int = 512_000
    """Of one request, before and after decompression. Segment's 500 KB, with headroom; RudderStack's SDKs may send 4 MiB."""
    bounds: Bounds = field(default_factory=Bounds)
    events: int = 2_500
    """Of one batch."""
    in_flight: int = 1_000
    """Requests at a time; with `body_bytes` this bounds memory."""
    rate_per_second: float | None = None
    """Requests of one write key in this process; None for no limit."""
    rate_burst: int = 100
    request_seconds: float = 30.0
    """From the first byte of a request to its last."""
    head_bytes: int = 65_536
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Whose `X-Forwarded-For` counts (S33)."""
    public_url: str | None = None
    """How browsers reach this collector; told by their request where unset."""

    @property
    def head_bounds(self) -> HeadBounds:
        """What the listener bounds by itself."""
        return HeadBounds(self.request_seconds, self.head_bytes)


def options_of(settings: CollectorSettings) -> Options:
    """What the settings say. Raises ConfigurationError."""
    return Options(
        body_bytes=settings.body_bytes,
        bounds=Bounds(event_bytes=settings.event_bytes),
        rate_per_second=settings.requests_per_second,
        rate_burst=max(1, round(settings.requests_per_second or 1)),
        trusted_proxies=networks_of(settings.trusted_proxies, "ONEFOLD_COLLECTOR__TRUSTED_PROXIES"),
        public_url=settings.public_url,
    )
