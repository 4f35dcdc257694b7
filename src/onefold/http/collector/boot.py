"""What browser SDKs fetch before they send: a source that is on, with nowhere else to send to. Static; says nothing about a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onefold.access.keys import WriteKey


def segment_settings(write_key: str, base_url: str | None) -> dict[str, Any]:
    """For Segment's `cdnURL`: GET /v1/projects/{writeKey}/settings."""
    scheme, _, host = (base_url or "").partition("://")
    destination: dict[str, Any] = {"apiKey": write_key}
    if host:
        destination |= {"apiHost": f"{host}/v1", "protocol": scheme}
    return {"integrations": {"Segment.io": destination}, "plan": {}, "edgeFunction": {}}


def rudder_source(write_key: str, key: WriteKey) -> dict[str, Any]:
    """For RudderStack's JavaScript: GET /sourceConfig/?writeKey=."""
    off = {"enabled": False}
    source: dict[str, Any] = {
        "id": str(key.key_id),
        "name": "onefold",
        "writeKey": write_key,
        "enabled": True,
        "config": {"statsCollection": {"errors": off, "metrics": off}},
        "connections": [],
        "destinations": [],
    }
    return {"source": source}
