"""Whose request this is: the write key, looked for in the order of interfaces.md C1, and nothing else of the request (S88).

An Authorization header decides alone: a wrong one is not made good by a key in the body. Without it, the key in the body, in the
first event that names one, or in the query counts, if it is public: a secret in a body or an address ends in logs (S60). So
segment-analytics-python before 2.4, which sends the key in the body only, works with public keys.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from onefold.access.keys import looks_secret
from onefold.access.places import Place
from onefold.http.callers import client_address
from onefold.http.collector.answers import MissingKey, SecretKeyInBody, Unauthorised, WrongPlace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from onefold.access.keys import WriteKey
    from onefold.http.callers import Network

    Verify = Callable[[str], Awaitable[WriteKey | None]]
    """`KeyRing.verify`."""


def from_header(authorization: bytes) -> str:
    """The key that Basic names as its user; whatever stands as the password is ignored. Raises Unauthorised."""
    scheme, _, credentials = authorization.strip().partition(b" ")
    if scheme.lower() != b"basic":
        raise Unauthorised("Use Basic authorization with the write key as the user name; Bearer tokens are not taken yet.")
    try:
        return b64decode(credentials.strip(), validate=True).partition(b":")[0].decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthorised("The Authorization header is not Basic with base64 of `write key` and a colon.") from None


def from_query(query: bytes) -> str | None:
    """The key in an address, which beacons and boot requests have no other place for."""
    values = parse_qs(query.decode("latin-1"), max_num_fields=20).get("writeKey") if b"writeKey=" in query else None
    return values[0] if values else None


def place_of(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], trusted: Sequence[Network]) -> Place:
    """From where a request comes."""
    page = headers.get(b"origin") or headers.get(b"referer")
    return Place(client_address(scope.get("client"), headers, trusted), page.decode("latin-1") if page is not None else None)


async def verified(verify: Verify, text: str, place: Place) -> WriteKey:
    """The live key with this text, if it may be used from there. Raises Unauthorised, StoreUnavailable."""
    key = await verify(text)
    if key is None:
        raise Unauthorised("This write key is not known, or was revoked. `onefold keys list` shows those that are live.")
    if not key.places.admits(place):
        raise WrongPlace("This write key may not be used from this page or address; the workspace's administrators say from where it may.")
    return key


async def verified_public(verify: Verify, text: object, place: Place) -> WriteKey:
    """The same for a key that travelled outside of the Authorization header. Secret ones are refused unseen."""
    if not isinstance(text, str) or not text:
        raise MissingKey("The request names no write key. Send it as the user name of Basic authorization.")
    if looks_secret(text):
        raise SecretKeyInBody(
            "A secret key must travel in the Authorization header, never in a body or an address. "
            "Replace this one if it was sent over a connection or into logs that others read; "
            "segment-analytics-python sends the header from 2.4 on."
        )
    return await verified(verify, text, place)
