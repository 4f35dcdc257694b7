"""SMS by somebody's gateway: one signed POST a message, as webhooks are signed; the gateway speaks to the provider of its choice.

Every attempt carries the same `webhook-id`, under which the gateway sends once. An answer of 2xx says that it was taken.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from onefold.messages.webhooks import signed_headers
from onefold.outbound.client import Call, CallFailed
from onefold.outreach.sending import Attempt, Fate

if TYPE_CHECKING:
    from onefold.messages.outreach import OutreachRequested
    from onefold.outbound.client import Outbound
    from onefold.outreach.rendering import Words
    from onefold.outreach.sending import HandOver

TYPE: Final = "sms.requested"
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_NOT_HANDED_OVER: Final = frozenset({"unreachable", "address_refused", "tls"})
"""Codes of calls that found nobody. A connection that breaks later may say so too: then the gateway knows the id."""


class GatewaySender:
    """Sends texts by one gateway."""

    def __init__(self, outbound: Outbound, url: str, secret: bytes, *, seconds: float) -> None:
        self._outbound = outbound
        self._url = url
        self._secret = secret
        self._seconds = seconds

    async def send(self, message: OutreachRequested, words: Words, hand_over: HandOver) -> Attempt:
        """Try once."""
        data = {"to": message.address, "text": words.text, "workspace": message.workspace, "expires_at": message.expires_at}
        body = msgspec.json.encode({"type": TYPE, "timestamp": message.at, "data": data})
        if not await hand_over():
            return Attempt(Fate.LAPSED)
        signed = signed_headers([self._secret], str(message.message_id), int(time.time()), body)
        call = Call("POST", self._url, {"Content-Type": "application/json", **signed}, body)
        try:
            status = (await self._outbound.call(call, seconds=self._seconds, most_bytes=0)).status
        except CallFailed as error:
            return Attempt(Fate.AGAIN if error.code in _NOT_HANDED_OVER else Fate.UNCLEAR, error.code)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Attempt(Fate.SENT)
        is_refused = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _LATER
        return Attempt(Fate.FAILED if is_refused else Fate.AGAIN, f"http_{status}")
