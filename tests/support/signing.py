"""A workspace's own server, which signs identity tokens, well and badly."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.jwk import ECKey

from onefold.access.identity_keys import IdentityKey

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
"""When these tokens are signed, unless they say otherwise."""


def pieces(*parts: bytes | Mapping[str, Any]) -> str:
    """The parts of a token as a token writes them."""
    raw = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in raw)


@dataclass(frozen=True)
class Server:
    """It has one key, and signs for one workspace."""

    workspace: str = "acme"
    pair: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    key_id: uuid.UUID = field(default_factory=uuid.uuid4)

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header that it writes; None takes a field away."""
        return _without_none({"alg": "ES256", "typ": "at+jwt", "kid": str(self.key_id), **changes})

    def claims(self, now: datetime = NOW, **changes: Any) -> dict[str, Any]:
        """The claims that it signs; None takes one away."""
        at = int(now.timestamp())
        return _without_none({"iss": self.workspace, "aud": "onefold", "sub": "u1", "iat": at, "exp": at + 600, **changes})

    def token(self, now: datetime = NOW, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token that it signs."""
        payload = json.dumps(self.claims(now, **claims))
        return jws.serialize_compact(self.header(**header or {}), payload, self.pair, algorithms=["ES256"])

    def key(self, **span: Any) -> IdentityKey:
        """The public half, as a verifier finds it."""
        public = ECKey.import_key(self.pair.as_pem(private=False))
        return IdentityKey(self.key_id, public, **{"not_before": datetime(2026, 1, 1, tzinfo=UTC), "expires_at": None, **span})


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
