"""One document of an OpenID provider, by HTTP: within a time and a size, without redirects (`onefold.outbound`).

Plain HTTP is spoken to this machine only. Which address a provider has is not looked at: who is trusted to say who somebody is may well
stand in a private network, and a Super Admin said so (decision 0037). Called by `provider_keys`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from onefold.errors import InvalidMessage, TemporaryError
from onefold.outbound.addresses import anywhere
from onefold.outbound.client import Call, CallFailed, Outbound, split_url

MOST_BYTES: Final = 262_144
_OK: Final = 200
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})


class ProviderUnavailable(TemporaryError):
    """An OpenID provider does not answer, or not with what was asked for."""

    code = "provider_unavailable"


def check_url(url: str) -> str:
    """The URL, if it may be fetched from. Raises InvalidMessage for what is neither https nor on this machine."""
    parts = split_url(url)
    if parts is None or (parts.scheme != "https" and parts.hostname not in _LOCAL_HOSTS):
        raise InvalidMessage(f"{url!r} is no https URL without user and fragment", code="invalid_url")
    return url


async def fetch_json(url: str, *, seconds: float) -> dict[str, Any]:
    """The JSON object at a URL. Raises ProviderUnavailable."""
    call = Call("GET", check_url(url), {"Accept": "application/json"})
    try:
        status, body = await Outbound(anywhere).call(call, seconds=seconds, most_bytes=MOST_BYTES)
        found = json.loads(body) if status == _OK else None
    except CallFailed as error:
        raise ProviderUnavailable(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ProviderUnavailable(f"{url} does not answer with JSON: {type(error).__name__}") from error
    if type(found) is not dict:
        raise ProviderUnavailable(f"{url} answers {status} instead of a JSON object")
    return found
