"""The resolver: from interactions to contacts, exactly once in state (architecture, sections 2 to 4).

Its path, for one micro-batch of one partition: decode → look up in the index → in one transaction: fence, recognise what the index
vouches for, resolve the rest, emit `interactions.resolved`, store progress, commit → write the index back. What fails takes one of
three fates, in `process` and `_settle`: an outcome, a dead letter, or another try after a pause (architecture, section 6).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.errors import Fenced, PermanentError, RejectedByStore, StoreUnavailable, TemporaryError
from onefold.failpoints import reach
from onefold.identity.assurance import Assurance
from onefold.identity.interaction import Position
from onefold.identity.plan import OutcomeKind, Plan
from onefold.index.naming import Namings
from onefold.index.recognise import recognise
from onefold.messages.codec import skim
from onefold.messages.interactions import is_released
from onefold.messages.reading import Arrival, carries_values, check_key, event_seconds, read
from onefold.messages.resolved import LineWriter
from onefold.messages.times import from_milliseconds
from onefold.messages.topics import INTERACTIONS, INTERACTIONS_RESOLVED, partition_of
from onefold.observe import ResolverMetrics
from onefold.records import progress
from onefold.records.store import RACES, REJECTED, Moved, name_workspaces
from onefold.topics.breaker import Breaker
from onefold.topics.consumer import PartitionedConsumer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from onefold.bootstrap import Resolving, Role
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from onefold.identity.rules import Rules
    from onefold.index.naming import Naming
    from onefold.index.recognise import Voucher
    from onefold.messages.interactions import SkimmedInteraction
    from onefold.observe import Health
    from onefold.records.progress import Claim, Present
    from onefold.records.store import Connection
    from onefold.topics.consumer import PartitionFeed, Record

RACES_BEFORE_HALVING = 3
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
UNKNOWN_WORKSPACE = "unknown_workspace"


class Item:
    """One record on its way: refused, or a message with what recognising asks of it."""

    __slots__ = ("assurance", "error", "is_known", "may_change", "message", "naming", "record", "seconds", "voucher")

    def __init__(self, record: Record, error: PermanentError | None = None) -> None:
        self.record = record
        self.error = error
        self.is_known = False
        """Whether it is no refusal, and of a workspace that exists."""
        self.voucher: Voucher | None = None
        """What the index vouched for in the present transaction."""

    message: SkimmedInteraction
    naming: Naming
    seconds: float
    """Event time, since 1970."""
    assurance: int
    may_change: bool
    """Whether it carries values or a proof."""


@dataclass(slots=True)
class Ownership:
    """A partition under this worker's present epoch."""

    claim: Claim
    stopping: asyncio.Event
    breaker: Breaker = field(default_factory=Breaker)
    has_emitted: bool = False
    """Whether something went out that the store may not know of: whatever repeats it takes a new epoch first."""
    beside: Callable[[Connection, Claim, Resolved], Awaitable[None]] | None = None
    """Stores something beside the progress, in the same transaction, before anything is emitted: a replay's account of itself."""


@dataclass(slots=True)
class Resolved:
    """What became of the items of one transaction, in their order."""

    done: list[Item]
    outcomes: Mapping[int, Outcome]
    """By offset, what was decided on those for whom the index did not vouch."""
    plan: Plan


class Resolver:
    """Takes micro-batches of the partitions that it owns: one of each partition at a time, several partitions at once."""

    def __init__(self, role: Role, parts: Resolving, metrics: ResolverMetrics) -> None:
        self._parts = parts
        self._metrics = metrics
        self._log = role.log
        self._worker = role.worker
        self._batch_size = role.settings.resolver.batch_size
        self._namings = Namings()

    async def follow(self, feed: PartitionFeed) -> None:
        """Own a partition until it is revoked: claim it, go where progress says, and take batch after batch."""
        parts, metrics = self._parts, self._metrics
        claim = await progress.claim(parts.store, progress.PartitionKey("resolver", INTERACTIONS, feed.partition), self._worker)
        offset = await feed.start_at(claim.next_offset, fresh=claim.epoch == 1)
        ownership = Ownership(replace(claim, next_offset=offset), feed.stopping)
        try:
            while not feed.stopping.is_set():
                records = await feed.take(self._batch_size)
                if records:
                    await self.process(ownership, records)
                    feed.done(ownership.claim.next_offset, records[-1].timestamp_ms)
                metrics.ticked(feed.partition, feed.lag_records, feed.lag_seconds)
            metrics.left(feed.partition)
        except Fenced:
            metrics.fenced()
            raise
        except PermanentError:
            metrics.blocked(feed.partition)
            raise

    async def process(self, ownership: Ownership, records: Sequence[Record]) -> None:
        """One micro-batch, to its end; waits for servers that are away.

        Raises Fenced when the partition has a newer owner, TooManyDeadLetters when a person must look.
        """
        items = [self._decode(record) for record in records]
        await reach("resolver.decoded")
        fates = [item.error is not None for item in items]
        admitted = ownership.breaker.admits(fates)
        await self._settle_patiently(ownership, items[:admitted])
        ownership.breaker.note(fates[:admitted])
        if admitted < len(items):
            raise ownership.breaker.error()

    async def _settle_patiently(self, ownership: Ownership, items: list[Item]) -> None:
        """Settle, however long a server is away; under a new epoch where something was emitted that the store may not know of."""
        pause = FIRST_PAUSE_SECONDS
        while items and not ownership.stopping.is_set():
            try:
                if ownership.has_emitted:
                    await self._renew(ownership)
                    items = [item for item in items if item.record.offset >= ownership.claim.next_offset]
                await self._settle(ownership, items)
            except TemporaryError as error:
                self._metrics.waited(error.code)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ownership.stopping.wait(), pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                items = [item for item in items if item.record.offset >= ownership.claim.next_offset]
            else:
                return

    def _decode(self, record: Record) -> Item:
        try:
            message = skim(record.value)
            naming = self._namings.of(message)
            check_key(naming.record_key, record.key)
        except PermanentError as error:
            return Item(record, error)
        item = Item(record)
        item.message = message
        item.naming = naming
        item.seconds = event_seconds(message, record.timestamp_ms)
        item.assurance = Assurance.of(message.assurance)
        item.may_change = item.assurance >= Assurance.PROVED or carries_values(message)
        return item

    async def _settle(self, ownership: Ownership, items: list[Item]) -> None:
        """Resolve these items in one transaction, or in more: halved after races, bisected down to one that the store rejects."""
        races = 0
        while items:
            try:
                items = await self._attempt(ownership, items)
            except (*RACES, Moved) as error:
                races += 1
                self._metrics.raced(type(error).__name__)
                if races >= RACES_BEFORE_HALVING and len(items) > 1:
                    return await self._settle_halves(ownership, items)
                if races >= RACES_BEFORE_HALVING**2:
                    raise StoreUnavailable("an interaction keeps losing races for its contacts") from error
            except REJECTED as error:
                if len(items) > 1:
                    return await self._settle_halves(ownership, items)
                items = [Item(items[0].record, RejectedByStore(f"the store rejects it: {error}"))]
        return None

    async def _settle_halves(self, ownership: Ownership, items: list[Item]) -> None:
        middle = len(items) // 2
        await self._settle(ownership, items[:middle])
        await self._settle(ownership, items[middle:])

    async def _attempt(self, ownership: Ownership, items: list[Item]) -> list[Item]:
        """One transaction; gives the items that it leaves for the next one, since a plan moves only so many tenures."""
        parts, claim = self._parts, ownership.claim
        read_under = parts.rules.version
        rules = await self._read(items)
        hints = await parts.index.look_up(item.naming for item in items if item.is_known)
        await reach("resolver.looked_up")
        async with parts.store.begin() as connection:
            present = await progress.fence(connection, claim, items[-1].record.offset + 1, parts.index.since_xmin)
            await reach("resolver.fenced")
            parts.rules.learn_version(present.rules_version)
            if read_under != present.rules_version:
                raise Moved("the batch was read under rules that may have changed since")
            vouchers = parts.index.valid(hints, present.incarnation, present.since_xmin, present.xmin, present.separations)
            resolved = await self._resolve(connection, items, rules, vouchers, present)
            next_offset = resolved.done[-1].record.offset + 1
            if len(resolved.done) < len(items):
                await progress.advance(connection, claim, next_offset)
            if ownership.beside is not None:
                await ownership.beside(connection, claim, resolved)
            ownership.has_emitted = True
            await self._emit(claim, resolved)
            await reach("resolver.emitted")
        ownership.has_emitted = False
        await reach("resolver.committed")
        ownership.claim = replace(claim, next_offset=next_offset)
        await parts.index.write_back(resolved.plan.current, present.incarnation, present.xmin)
        await reach("resolver.written_back")
        dead = [item.error.code for item in resolved.done if item.error is not None]
        hot = sum(item.voucher is not None for item in resolved.done)
        self._metrics.settled(len(resolved.done), hot, dead, resolved.plan)
        if resolved.plan.parked:
            self._alarm(resolved.plan)
        return items[len(resolved.done) :]

    def _alarm(self, plan: Plan) -> None:
        """Call for a person where limits held something back: a line for each workspace and limit of a batch."""
        counts = Counter((each.interaction.workspace, excess.limit) for each in plan.parked for excess in each.excesses)
        for (workspace, limit), count in counts.items():
            self._log.warning("parked", workspace=workspace, limit=limit.value, times=count)
        for each in plan.quarantined:
            self._log.warning(
                "quarantined", workspace=each.tenure.workspace, semantic_type=each.tenure.semantic_type, event_id=each.interaction.event_id
            )

    async def _read(self, items: list[Item]) -> Mapping[str, Rules | None]:
        """See how each message names its visitor under the present rules of its workspace."""
        rules = await self._parts.rules.of({item.message.workspace for item in items if item.error is None})
        under = self._namings.under
        for item in items:
            if item.error is not None:
                continue
            mine = rules[item.message.workspace]
            item.is_known, item.voucher = mine is not None, None
            if mine is not None and item.naming.rules is not mine:
                item.naming = under(mine, item.message, item.naming)
        return rules

    async def _resolve(
        self,
        connection: Connection,
        items: list[Item],
        rules: Mapping[str, Rules | None],
        vouchers: Mapping[Naming, Voucher],
        present: Present,
    ) -> Resolved:
        """Recognise what the index vouches for, decide on the rest."""
        known = [item for item in items if item.is_known]
        for item, voucher in zip(known, recognise(known, vouchers), strict=True):
            item.voucher = voucher
        rest = [_interaction(item, rules) for item in known if item.voucher is None]
        if not rest:
            return Resolved(items, {}, Plan())
        await name_workspaces(connection, {each.workspace for each in rest})
        existing = {workspace: mine for workspace, mine in rules.items() if mine is not None}
        plan = await self._parts.resolution.resolve(connection, rest, existing, present.incarnation)
        outcomes = {outcome.interaction.position.offset: outcome for outcome in plan.outcomes}
        waiting = next((each.position.offset for each in rest if each.position.offset not in outcomes), None)
        done = items if waiting is None else [item for item in items if item.record.offset < waiting]
        return Resolved(done, outcomes, plan)

    async def _emit(self, claim: Claim, resolved: Resolved) -> None:
        """Tell the fate of every record and wait until it is written: a line each, or a dead letter."""
        parts = self._parts
        partitions = await parts.producer.partitions(INTERACTIONS_RESOLVED)
        write = LineWriter(claim.generation, claim.key.partition, claim.epoch)
        lines: dict[int, list[tuple[bytes | None, bytes]]] = {}
        dead: list[tuple[Record, PermanentError]] = []
        for item in resolved.done:
            record, voucher = item.record, item.voucher
            if item.error is not None:
                dead.append((record, item.error))
                continue
            at_ms = round(item.seconds * 1000)
            if voucher is not None:
                key: bytes | None = voucher.contact
                line = write.seen(record.offset, at_ms, voucher.contact, voucher.tenure_id, record.value or b"")
            else:
                key, tenure_id, outcome, reason = _fate(resolved.outcomes.get(record.offset))
                line = write.line(record.offset, at_ms, key, tenure_id, outcome, reason, record.value or b"")
            target = partition_of(key, partitions) if key is not None else record.offset % partitions
            lines.setdefault(target, []).append((key, line))
        if dead and parts.dead_letters is not None:
            await parts.dead_letters.write(dead)
        if lines:
            await parts.producer.send_batches(INTERACTIONS_RESOLVED, lines)

    async def _renew(self, ownership: Ownership) -> None:
        """Take a new epoch, if the present one is still the last: what was emitted under it may be repeated now.

        This settles a commit in doubt as well: the stored progress says whether it landed.
        """
        ownership.claim = await progress.renew(self._parts.store, ownership.claim)
        ownership.has_emitted = False


def _interaction(item: Item, rules: Mapping[str, Rules | None]) -> Interaction:
    """The whole interaction, for those that are decided on."""
    record, naming = item.record, item.naming
    mine = rules[naming.workspace]
    assert mine is not None, "its workspace exists"  # noqa: S101 -- for the type checker
    arrival = Arrival(
        Position(INTERACTIONS, record.partition, record.offset),
        from_milliseconds(record.timestamp_ms),
        record.key,
        record.value or b"",
        is_released=bool(record.headers) and is_released(record.headers),
    )
    return read(item.message, naming.identifiers, arrival, mine, naming.dropped)


def _fate(outcome: Outcome | None) -> tuple[bytes | None, int | None, str, str | None]:
    """Contact, tenure, outcome and reason of a record that was decided on; without an outcome its workspace does not exist."""
    if outcome is None:
        return None, None, OutcomeKind.UNRESOLVED, UNKNOWN_WORKSPACE
    contact = str(outcome.contact_id).encode() if outcome.contact_id is not None else None
    return contact, outcome.tenure.tenure_id if outcome.tenure is not None else None, outcome.kind, outcome.reason


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Resolve until told to stop; then drain, store progress and leave the group."""
    metrics = ResolverMetrics(role.metrics)
    async with bootstrap.resolving(role) as parts:
        resolver = Resolver(role, parts, metrics)
        kafka = role.settings.kafka
        consumer = PartitionedConsumer(
            connection=role.kafka,
            topic=role.kafka.topic(INTERACTIONS),
            group=kafka.topic_prefix + kafka.group,
            work=resolver.follow,
            log=role.log,
            session_timeout_ms=kafka.session_timeout_ms,
            client_id=role.worker,
        )
        await consumer.start()
        health.ready("start")
        try:
            await health.tick_until(stopping)
        finally:
            await consumer.stop()
