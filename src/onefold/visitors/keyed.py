"""Keyed hashes: what is stored of a code, a link, a browser, and of what is counted together (security.md, S3).

The key is a setting, so a copy of the database tells no code, though a code has but a million values. Called by its siblings.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from onefold.errors import ConfigurationError


class Keyed:
    """Hashes under one key."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < sha256().digest_size:
            raise ConfigurationError("ONEFOLD_VALIDATION__SECRET has less than 64 hexadecimal digits; make one with: openssl rand -hex 32")
        self._secret = secret

    def hash(self, kind: str, *parts: str) -> bytes:
        """The hash of these parts as this kind of thing; how they are divided counts."""
        text = b"".join(len(each).to_bytes(4, "big") + each for each in (part.encode() for part in (kind, *parts)))
        return hmac.digest(self._secret, text, "sha256")
