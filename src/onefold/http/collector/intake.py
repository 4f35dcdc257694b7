"""The path of one request, top to bottom: read the body, know the key, cut it into events, translate each, produce, answer.

The answer is 200 only after the broker has acknowledged every event that was taken. Called by `app` for every path that takes events.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onefold.failpoints import reach
from onefold.http.callers import client_address
from onefold.http.collector import auth, identity
from onefold.http.collector.answers import TAKEN, Answer, BodyTooLarge, Strict, TooManyRequests, partly
from onefold.http.collector.bodies import read_body
from onefold.http.collector.events import read_batch, read_event
from onefold.http.collector.identity import Tokens
from onefold.http.collector.refusals import POLICY, EventRefused
from onefold.http.collector.translate import RequestFacts, translate
from onefold.messages.codec import encode
from onefold.messages.interactions import interaction_key
from onefold.messages.times import time_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from onefold.access.identity_tokens import Identity, InvalidToken
    from onefold.access.keys import WriteKey
    from onefold.access.places import Place
    from onefold.http.collector.auth import Verify
    from onefold.http.collector.bodies import Receive
    from onefold.http.collector.events import Batch
    from onefold.http.collector.identity import VerifyIdentity
    from onefold.http.collector.meters import Meters
    from onefold.http.collector.options import Options

    Send = Callable[[Sequence[tuple[bytes, bytes]]], Awaitable[None]]
    """Produces (key, value) pairs to `interactions` and returns when all are acknowledged, or raises LogUnavailable."""
    from onefold.http.rates import Rates

_encode = msgspec.json.Encoder().encode

_BREATH: Final = 100
"""Events of one batch after which other requests get their turn: some 3 ms."""
_MOST_REPEATED: Final = 8
"""Times the limit of a body: what a root may grow to when it is repeated in every event. SDKs leave the root's context empty."""
_KEY_REFUSALS: Final = frozenset({"identity_token_required", "secret_key_required", *identity.SENTENCES})
"""What a call with another key, or another token, would not have met: 401 in strict mode."""


@dataclass(slots=True)
class Taken:
    """What became of the events of one request."""

    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    not_asserted: list[dict[str, Any]] = field(default_factory=list)
    """Whose identity token did nothing for them, and why: taken as claims, or refused where the key requires one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, its text, what its identity token says, and the type that the path names."""

    content: dict[str, Any]
    data: bytes
    shown: Identity | InvalidToken | None
    forced_type: str | None = None


class Intake:
    """Takes events for the topic."""

    def __init__(self, verify: Verify, verify_identity: VerifyIdentity, send: Send, options: Options, rates: Rates, meters: Meters) -> None:
        self._verify = verify
        self._verify_identity = verify_identity
        self._send = send
        self._options = options
        self._rates = rates
        self._meters = meters

    async def one(self, scope: Mapping[str, Any], receive: Receive, type_: str) -> Answer:
        """A path that names the type of the one call in its body."""
        headers = dict(scope["headers"])
        place = auth.place_of(scope, headers, self._options.trusted_proxies)
        key = await self._key_of_header(headers, place)
        body = await self._body(headers, receive)
        call = read_event(body, self._options.bounds)
        if key is None:
            key = await self._public_key(call.get("writeKey") or auth.from_query(scope["query_string"]), place)
        taken = Taken()
        facts = self._facts(scope, headers)
        shown = await self._tokens(key, headers).of(call)
        try:
            self._take(0, Call(call, body, shown, forced_type=type_), key, facts, taken)
        except EventRefused as refused:
            if refused.code not in POLICY:
                raise
            self._refuse(0, refused, taken)
        return await self._produced(taken, headers)

    async def many(self, scope: Mapping[str, Any], receive: Receive) -> Answer:
        """A path that takes a batch."""
        headers = dict(scope["headers"])
        place = auth.place_of(scope, headers, self._options.trusted_proxies)
        key = await self._key_of_header(headers, place)
        body = await self._body(headers, receive)
        batch = read_batch(body, self._options.bounds, self._options.events)
        self._check_repeated(batch)
        if key is None:
            named = batch.root.get("writeKey") or auth.from_query(scope["query_string"]) or self._named_by_first(batch.events)
            key = await self._public_key(named, place)
        taken = Taken()
        tokens = self._tokens(key, headers, batch.root)
        facts = self._facts(scope, headers, batch.root)
        for index, raw in enumerate(batch.events):
            try:
                data = bytes(raw)
                call = read_event(data, self._options.bounds)
                self._take(index, Call(call, data, await tokens.of(call)), key, facts, taken)
            except EventRefused as refused:
                self._refuse(index, refused, taken)
            if index % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
        return await self._produced(taken, headers)

    def _check_repeated(self, batch: Batch) -> None:
        """The root's context goes into every event: 400 kB of it for 2,000 events would be 800 MB on the topic. Raises BodyTooLarge."""
        repeated = len(batch.events) * sum(len(_encode(batch.root.get(name))) for name in ("context", "integrations"))
        if repeated > _MOST_REPEATED * self._options.body_bytes:
            raise BodyTooLarge(
                "The root's context, repeated in every event, comes to too much. Send it in the events.", code="body_inflates"
            )

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        return await read_body(receive, headers.get(b"content-encoding"), self._options.body_bytes)

    async def _key_of_header(self, headers: Mapping[bytes, bytes], place: Place) -> WriteKey | None:
        authorization = headers.get(b"authorization")
        if authorization is None:
            return None
        key = await auth.verified(self._verify, auth.from_header(authorization), place)
        self._count(key)
        return key

    def _count(self, key: WriteKey) -> None:
        wait = self._rates.take(key.key_id)
        if wait is not None:
            raise TooManyRequests("This write key sends more requests than its limit.", retry_after_seconds=wait)

    async def _public_key(self, named: object, place: Place) -> WriteKey:
        key = await auth.verified_public(self._verify, named, place)
        self._count(key)
        return key

    def _named_by_first(self, events: Sequence[Any]) -> object:
        """The browser writes its key into every event; they are all of one page."""
        try:
            return read_event(bytes(events[0]), self._options.bounds).get("writeKey") if events else None
        except EventRefused:
            return None

    def _facts(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], root: Mapping[str, Any] | None = None) -> RequestFacts:
        received_at = datetime.now(UTC)
        agent = headers.get(b"user-agent")
        facts = RequestFacts(
            received_at=received_at,
            received_text=time_text(received_at),
            ip=client_address(scope.get("client"), headers, self._options.trusted_proxies),
            user_agent=agent.decode("latin-1") if agent is not None else None,
        )
        if root:
            facts.sent_at = root.get("sentAt")
            facts.context = _object(root.get("context"))
            facts.integrations = _object(root.get("integrations"))
        return facts

    def _tokens(self, key: WriteKey, headers: Mapping[bytes, bytes], root: dict[str, Any] | None = None) -> Tokens:
        header = headers.get(identity.HEADER)
        of_root = identity.taken_out(root)
        return Tokens(self._verify_identity, key, of_root if of_root is not None or header is None else header.decode("latin-1"))

    def _take(self, index: int, call: Call, key: WriteKey, facts: RequestFacts, taken: Taken) -> None:
        message = translate(call.content, call.data, key=key, request=facts, forced_type=call.forced_type)
        if call.shown is not None:
            self._note(index, call, identity.result(message, call.shown), taken)
        if key.requires_identity:
            identity.require(message, call.content.get("messageId"))
        taken.records.append((interaction_key(message), encode(message)))
        taken.types.append(message.type)

    def _note(self, index: int, call: Call, result: str, taken: Taken) -> None:
        """Count what the token did, and tell the caller where it should have done something and did not."""
        self._meters.shown(result)
        if result in identity.SENTENCES:
            named = call.content.get("messageId")
            message_id = named if isinstance(named, str) else None
            taken.not_asserted.append({"index": index, "messageId": message_id, "code": result, "message": identity.SENTENCES[result]})

    def _refuse(self, index: int, refused: EventRefused, taken: Taken) -> None:
        self._meters.refused(refused.code)
        taken.refused.append({"index": index, "messageId": refused.message_id, "code": refused.code, "message": str(refused)})

    async def _produced(self, taken: Taken, headers: Mapping[bytes, bytes]) -> Answer:
        unmet = taken.refused + taken.not_asserted
        if unmet and headers.get(b"x-strict-mode") == b"1":
            raise Strict(unmet, only_keys=all(each["code"] in _KEY_REFUSALS for each in unmet))
        if taken.records:
            await reach("collector.translated")
            began = time.perf_counter()
            await self._send(taken.records)
            self._meters.produced(time.perf_counter() - began)
            self._meters.accepted(taken.types)
        return partly(len(taken.records), taken.refused, taken.not_asserted) if unmet else TAKEN


def _object(value: object) -> dict[str, Any] | None:
    return value if type(value) is dict and value else None
