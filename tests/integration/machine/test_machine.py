"""Everything that changes contacts, in any order, against real Postgres and Valkey: the rules of a stateful machine.

After each run the people are those that `decide` makes of the same interactions in memory, no invariant is broken, and of whoever was erased
no table says anything. What is parked is released through Kafka, which is not here.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from onefold.contacts.identifiers import Amendment
from onefold.identity.assurance import Assurance
from onefold.identity.classification import Classification
from onefold.identity.contact import NO_JOINS
from onefold.identity.holding import Label
from onefold.identity.identifiers import identifier_key
from tests.integration.index.workers import HOURLY
from tests.integration.machine.system import Person, System, system
from tests.support.worlds import World, event

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from onefold.identity.contact import ContactId
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database

T = TypeVar("T")
MOST_MINUTES = 150
FAR = 5_000_000
"""Minutes: later than whatever a person does here, by the clock of the store and in memory."""

names = st.lists(
    st.sampled_from(
        [f"anonymous_token:visitor-t{number}" for number in range(3)]
        + [
            f"{kind}{number}{end}"
            for number in range(2)
            for kind, end in (("device_id:device-d", ""), ("email:p", "@example.com"), ("user_id:customer-u", ""))
        ]
    ),
    min_size=1,
    max_size=3,
    unique=True,
)

values = st.dictionaries(st.sampled_from(["given_name", "last_name", "plan"]), st.sampled_from(["a", "b"]), max_size=2)
moments = st.one_of([st.integers(0, MOST_MINUTES)] * 4 + [st.integers(FAR, FAR + MOST_MINUTES)])
assurances = st.sampled_from(list(Assurance)[:3])
workers = st.integers(0, 1)
picks = st.integers(0, 50)
SETTINGS = settings(
    max_examples=35,
    stateful_step_count=50,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Without shrinking, which takes minutes on servers: put `Phase.shrink` in to look for a fault."""


class Machine(RuleBasedStateMachine):
    """Interactions of few people, taken by one of two workers, while the index and its workers fail."""

    runner: asyncio.Runner
    system: System

    def __init__(self) -> None:
        super().__init__()
        self.world = World(rules=HOURLY)
        self.log: list[Interaction] = []
        self.acts = 0
        self.erased: set[str] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a step."""
        return self.runner.run(work)

    def taken(self, number: int, *made: Interaction) -> None:
        """One of the workers takes a batch, and credits each interaction to whom `decide` credits it in memory."""
        credited = self.run(self.system.take(self.system.workers[number], made))
        for contact_id, outcome in zip(credited, self.world.play(*made), strict=True):
            assert self.now(contact_id) == self.now(outcome.contact_id), outcome

    def now(self, contact_id: ContactId | None) -> ContactId | None:
        """Who answers to an id in memory."""
        return self.world.root("acme", contact_id) if contact_id is not None else None

    def told(self, given: list[str], minutes: int, assurance: Assurance, carried: dict[str, str]) -> Interaction:
        """An interaction of this run. A proved one proves its email."""
        email = next((each for each in given if each.startswith("email:")), None)
        made = event(
            *given,
            minutes=minutes,
            event_id=f"e{len(self.log)}",
            assurance=assurance,
            proof=email if assurance is Assurance.PROVED else None,
            fields={name: value for name, value in carried.items() if name != "plan"},
            attributes={name: value for name, value in carried.items() if name == "plan"},
            rules=HOURLY,
        )
        self.log.append(made)
        return made

    @rule(number=workers, given=names, minutes=moments, assurance=assurances, carried=values)
    def an_interaction(self, number: int, given: list[str], minutes: int, assurance: Assurance, carried: dict[str, str]) -> None:
        """One visitor does something."""
        made = self.told(given, minutes, assurance, carried)
        self.taken(number, made)

    @rule(number=workers, drawn=st.lists(st.tuples(names, moments, assurances, values), min_size=2, max_size=5))
    def a_batch(self, number: int, drawn: list[tuple[list[str], int, Assurance, dict[str, str]]]) -> None:
        """Several do, in one transaction."""
        made = [self.told(*each) for each in drawn]
        self.taken(number, *made)

    @precondition(lambda self: self.log)
    @rule(number=workers, visits=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 50)), min_size=1, max_size=5))
    def visitors_come_again(self, number: int, visits: list[tuple[int, int]]) -> None:
        """And say nothing new: this is what the index is for."""
        known = [(self.log[-min(back, len(self.log))], later) for back, later in visits]
        again = [
            replace(
                event(event_id=f"again-{one.event_id}-{later}", rules=HOURLY),
                identifiers=one.identifiers,
                at=one.at + timedelta(minutes=later),
            )
            for one, later in known
        ]
        self.taken(number, *again)

    @rule(number=workers, given=names, minutes=moments, assurance=assurances)
    def the_index_is_not_told(self, number: int, given: list[str], minutes: int, assurance: Assurance) -> None:
        """The worker dies after its commit."""
        made = self.told(given, minutes, assurance, {})
        self.run(self.system.take_untold(self.system.workers[number], [made]))
        self.world.play(made)

    @rule(number=workers, given=names, minutes=moments, assurance=assurances)
    def a_worker_dies_and_the_other_does_it_again(self, number: int, given: list[str], minutes: int, assurance: Assurance) -> None:
        """Before its commit."""
        made = self.told(given, minutes, assurance, {})
        self.run(self.system.begin_in_vain(self.system.workers[number], [made]))
        self.taken(1 - number, made)

    @rule(number=workers, first=st.integers(0, 20), length=st.integers(1, 10))
    def a_replay(self, number: int, first: int, length: int) -> None:
        """What was decided comes again."""
        again = self.log[first : first + length]
        if again:
            self.taken(number, *again)

    @precondition(lambda self: len(self.found(absorbed=False)) > 1)
    @rule(one=picks, other=picks)
    def a_person_merges(self, one: int, other: int) -> None:
        """Whoever they are: known people, two user ids, a pair that was kept apart (R19)."""
        living = self.found(absorbed=False)
        survivor = living.pop(one % len(living))
        absorbed = living[other % len(living)]
        self.run(self.system.merge(survivor, absorbed))
        self.world.merge(survivor, absorbed, minutes=self.later())

    @precondition(lambda self: self.found(absorbed=True))
    @rule(which=picks)
    def a_person_unmerges(self, which: int) -> None:
        """Any merge, by an event or a person, in the middle of a chain too."""
        absorbed = self.found(absorbed=True)
        chosen = absorbed[which % len(absorbed)]
        self.run(self.system.unmerge(chosen))
        self.world.unmerge(chosen, minutes=self.later())

    @precondition(lambda self: self.living())
    @rule(who=picks)
    def a_person_is_erased(self, who: int) -> None:
        """Any id, absorbed or not: all of its tree goes, and events from before bring nothing back (S103, S107)."""
        chosen = self.anybody(who)
        self.erased |= {each.text for each in self.world.tree(chosen).tenures}
        self.run(self.system.erase(chosen))
        self.world.erase(chosen, minutes=self.later())

    @precondition(lambda self: self.living())
    @rule(who=picks, path=st.sampled_from(["given_name", "attributes.unbound.plan"]), value=st.sampled_from(["c", None]))
    def a_person_edits(self, who: int, path: str, value: str | None) -> None:
        """A name or an attribute, given or cleared; no event replaces it."""
        chosen = self.anybody(who)
        self.run(self.system.edit(chosen, path, value))
        self.world.edit(chosen, {path: value}, minutes=self.later())

    @rule(given=st.lists(names, max_size=1), name=st.sampled_from(["d", None]))
    def a_person_creates(self, given: list[list[str]], name: str | None) -> None:
        """A contact by hand, with identifiers that nobody holds, or with none."""
        free = [each for each in (given[0] if given else []) if self.is_free(each)]
        who = self.run(self.system.create(free, name, f"act{self.acts}"))
        self.world.create(who, *free, values={"given_name": name} if name is not None else {}, minutes=self.later())

    @precondition(lambda self: self.living())
    @rule(who=picks, given=names)
    def a_person_adds(self, who: int, given: list[str]) -> None:
        """An identifier that nobody holds; a second user id is refused."""
        chosen = self.anybody(who)
        free = [each for each in given if self.is_free(each) and not (each.startswith("user_id") and self.has_user_id(chosen))]
        for each in free[:1]:
            self.run(self.system.add(chosen, each))
            self.world.add(chosen, each, minutes=self.later())

    @precondition(lambda self: self.held_now())
    @rule(which=picks)
    def a_person_removes(self, which: int) -> None:
        """An identifier: events from before do not bring it back (R17)."""
        chosen = self.held_now()[which % len(self.held_now())]
        self.run(self.system.remove(self.world.holder(chosen).contact_id, chosen))
        self.world.remove(chosen, minutes=self.later())

    @precondition(lambda self: any(each.startswith("email:") for each in self.held_now()))
    @rule(which=picks, slug=st.sampled_from(["main", "work", None]))
    def a_person_relabels(self, which: int, slug: str | None) -> None:
        """An e-mail: a type that has identifiers has a Main one."""
        emails = [each for each in self.held_now() if each.startswith("email:")]
        chosen = emails[which % len(emails)]
        holder = self.world.holder(chosen)
        if holder.summary.open_by_type["email"] > 1:
            self.run(self.system.amend(holder.contact_id, chosen, Amendment(Label(slug, takes_over=True))))
            self.world.relabel(chosen, slug, takes_over=True, minutes=self.later())

    @precondition(lambda self: self.held_now())
    @rule(which=picks, value=st.sampled_from(["p0@example.com", "p1@example.com", "p2@example.com"]))
    def a_person_changes_a_value(self, which: int, value: str) -> None:
        """An e-mail becomes another one, or a device one that nobody had."""
        chosen = self.held_now()[which % len(self.held_now())]
        kind = chosen.partition(":")[0]
        new = value if kind == "email" else f"changed-{len(self.world.plans)}"
        if self.is_free(f"{kind}:{new}"):
            self.run(self.system.amend(self.world.holder(chosen).contact_id, chosen, Amendment(value=new)))
            self.world.replace(chosen, new, minutes=self.later())

    @precondition(lambda self: self.living())
    @rule(who=picks, tags=st.sets(st.sampled_from(["red", "blue"])), profiles=st.sets(st.sampled_from(["member", "customer"])))
    def a_person_classifies(self, who: int, tags: set[str], profiles: set[str]) -> None:
        """Tags and profiles, which unite in a merge and part again."""
        chosen = self.anybody(who)
        wanted = Classification(profiles=tuple(sorted(profiles)))
        self.run(self.system.classify(chosen, wanted, sorted(tags)))
        self.world.classify(chosen, wanted, sorted(tags), minutes=self.later())

    @precondition(lambda self: self.held_now())
    @rule(which=picks)
    def a_person_validates(self, which: int) -> None:
        """By hand: guard 2 protects it from claims from then on."""
        held = self.held_now()
        chosen = held[which % len(held)]
        self.run(self.system.validate(chosen))
        self.world.validate(chosen, minutes=self.later())

    @precondition(lambda self: self.living())
    @rule(who=picks, what=st.sampled_from(["archive", "archive", "restore"]))
    def a_person_archives(self, who: int, what: Literal["archive", "restore"]) -> None:
        """It goes on resolving; merged with somebody active it is active."""
        chosen = self.anybody(who)
        self.run(self.system.archive(chosen, what))
        _ = (self.world.archive if what == "archive" else self.world.restore)(chosen, minutes=self.later())

    @precondition(lambda self: self.living())
    @rule(who=picks, state=st.sampled_from(["granted", "denied"]))
    def a_person_says_yes_or_no(self, who: int, state: Literal["granted", "denied"]) -> None:
        """Consent, which no event writes (S47, S101)."""
        chosen = self.anybody(who)
        self.run(self.system.consent(chosen, state))
        self.world.consent(chosen, "newsletter", state, minutes=self.later())

    @precondition(lambda self: self.log and self.held_now())
    @rule(which=picks)
    def a_value_is_quarantined(self, which: int) -> None:
        """It stays where it is, and resolves no more (guard 5); an event came to it, so there must have been one."""
        held = self.held_now()
        chosen = held[which % len(held)]
        self.run(self.system.quarantine(chosen, self.log[-1]))
        self.world.quarantined.setdefault("acme", set()).add(key_of(chosen))

    @precondition(lambda self: self.world.quarantined.get("acme"))
    @rule(which=picks)
    def a_value_is_released(self, which: int) -> None:
        """It resolves again, and what it joined until then counts no more."""
        held = [each for each in self.held_now() if key_of(each) in self.world.quarantined["acme"]]
        if held:
            chosen = held[which % len(held)]
            self.run(self.system.release(chosen))
            self.world.quarantined["acme"].discard(key_of(chosen))
            for each in self.world.tenures.values():
                if each.is_open and each.text == chosen:
                    each.joins = NO_JOINS

    def later(self) -> int:
        """When the next act of a person is, in memory: after every event, and one after the other."""
        self.acts += 1
        return 1_000 + self.acts

    def anybody(self, which: int) -> ContactId:
        """A contact in memory, absorbed or not: ids lead on."""
        everybody = sorted(each.contact_id for each in self.world.contacts.values() if each.erased_at is None)
        return everybody[which % len(everybody)]

    def living(self) -> bool:
        """Whether there is anybody."""
        return any(each.erased_at is None for each in self.world.contacts.values())

    def is_free(self, identifier: str) -> bool:
        """Whether nobody holds it, and it is not in quarantine: then it can be given."""
        return identifier not in self.held_now() and key_of(identifier) not in self.world.quarantined.get("acme", ())

    def has_user_id(self, contact_id: ContactId) -> bool:
        """Whether a contact holds one already."""
        return bool(self.world.contacts["acme", self.world.root("acme", contact_id)].summary.open_by_type.get("user_id"))

    def held_now(self) -> list[str]:
        """What somebody holds in memory."""
        return sorted(each.text for each in self.world.tenures.values() if each.is_open)

    def found(self, *, absorbed: bool) -> list[ContactId]:
        """The contacts in memory that were absorbed, or were not."""
        return sorted(each.contact_id for each in self.world.contacts.values() if each.is_absorbed is absorbed and each.erased_at is None)

    @rule(what=st.sampled_from(["lose_index", "save_index", "restore_index", "begin_anew"]))
    def servers_fail(self, what: str) -> None:
        """Redis comes back empty, or as it was when somebody kept a dump of it; or the store begins its next life."""
        self.run(getattr(self.system, what)())

    def teardown(self) -> None:
        """At rest: the same people, and every invariant holds."""
        try:
            assert self.run(self.system.people()) == self.expected()
            assert self.run(self.system.check()) == []
            gone = self.erased - {each.text for each in self.world.tenures.values()}
            assert self.run(self.system.left_of([each.partition(":")[2] for each in sorted(gone)])) == []
        finally:
            self.run(self.system.empty())

    def expected(self) -> list[Person]:
        """The people in memory."""
        held: dict[ContactId, list[str]] = {}
        labels: dict[ContactId, list[str]] = {}
        for tenure in self.world.tenures.values():
            if tenure.is_open:
                held.setdefault(tenure.contact_id, []).append(f"{tenure.semantic_type}:{tenure.normalised}={int(tenure.assurance)}")
                labels.setdefault(tenure.contact_id, []).extend([f"{tenure.semantic_type}:{tenure.slug}"] if tenure.slug else [])
        contacts = (self.world.contacts["acme", each] for each in held)
        return sorted(
            Person(
                sorted(held[each.contact_id]),
                each.type,
                each.given_name,
                each.last_name,
                each.attributes.get("unbound", {}),
                each.tags,
                each.archived_at is not None,
                each.consent["newsletter"].state if "newsletter" in each.consent else None,
                sorted(labels[each.contact_id]),
            )
            for each in contacts
        )


def key_of(identifier: str) -> IdentifierKey:
    """Of `type:value`."""
    kind, _, value = identifier.partition(":")
    return identifier_key(kind, value)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_whatever_happens_the_people_are_those_of_decide_and_every_invariant_holds(database: Database, redis_url: str) -> None:
    """I2 to I7, I17, R7, R19: interactions, batches, replays, merges and unmerges by a person, contacts and identifiers by hand, edits, validations, quarantine, archive, consent and erasure, dying workers, and an index that is lost."""

    async def opened(stack: AsyncExitStack) -> System:
        return await stack.enter_async_context(system(database, redis_url))

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        mine = runner.run(opened(stack))
        machine = type("Mine", (Machine,), {"runner": runner, "system": mine})
        try:
            run_state_machine_as_test(machine, settings=SETTINGS)
            assert mine.hot > 20, "the index vouched for nobody, so nothing was shown"
        finally:
            runner.run(stack.aclose())
