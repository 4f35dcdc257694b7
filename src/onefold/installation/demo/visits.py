"""Invent people and what they do: seeded, with a truth that does not depend on the order in which their events arrive.

Browsers send claims with the public key, the shop's backend sends assertions with the secret key, and a few proofs are produced to the
topic by a server. What is handed over is decided by event time, and hours lie between the uses of a shared device.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Sender = Literal["browser", "backend", "topic"]

GIVEN = [
    "Ann",
    "Bea",
    "Cleo",
    "Dana",
    "Eva",
    "Finn",
    "Gita",
    "Hugo",
    "Ines",
    "Jan",
    "Kaya",
    "Luis",
    "Mia",
    "Nora",
    "Omar",
    "Pia",
    "Quin",
    "Rosa",
    "Sami",
    "Tess",
    "Uma",
    "Vito",
    "Wanda",
    "Xenia",
    "Yara",
    "Zoe",
]
LAST = [
    "Adler",
    "Berg",
    "Costa",
    "Diaz",
    "Ek",
    "Frank",
    "Grau",
    "Haas",
    "Ito",
    "Jung",
    "Klein",
    "Lopez",
    "Moss",
    "Novak",
    "Okoye",
    "Petit",
    "Quist",
    "Rossi",
    "Silva",
    "Tran",
    "Ueda",
    "Vogel",
    "Weiss",
    "Young",
]
PAGES = ("Home", "Pricing", "Docs", "Blog", "Features", "Changelog")
PLANS = ("free", "pro", "team")
STORIES = ("stranger", "lead", "two devices", "proved", "shared device")
WEIGHTS = (40, 24, 18, 10, 8)
EVENTS_EACH = 6
"""Events of an average person; `--visits` is divided by it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an SDK, or one message that a server produces."""

    sender: Sender
    kind: Literal["page", "track", "identify", "proof"]
    at: datetime
    anonymous_id: str | None = None
    user_id: str | None = None
    name: str | None = None
    traits: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is behind the calls, and what must come of them."""

    story: str
    identifiers: frozenset[tuple[str, str]]
    """What the contact must hold in the end: type and normalised value."""
    type: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Visits:
    """Everything that happens, by who sends it, and the truth about it."""

    calls: list[Call]
    people: list[Person]


def invent(events: int, *, seed: int, mark: str, until: datetime) -> Visits:
    """About so many events, spread over the five days before `until`. `mark` keeps the identifiers of runs apart."""
    dice = random.Random(seed)  # noqa: S311 -- people of a demo, not secrets
    visits = Visits([], [])
    number = 0
    while len(visits.calls) < events:
        story = dice.choices(STORIES, WEIGHTS)[0] if number >= len(STORIES) else STORIES[number]
        _Life(dice, visits, f"{mark}-{number}", until - timedelta(days=5)).live(story)
        number += 1
    visits.calls.sort(key=lambda call: call.at)
    return visits


class _Life:
    """One person's days, or two people's who share a device."""

    def __init__(self, dice: random.Random, visits: Visits, mark: str, start: datetime) -> None:
        self._dice = dice
        self._visits = visits
        self._mark = mark
        self._now = start + timedelta(minutes=dice.randrange(24 * 60))
        self._given, self._last = dice.choice(GIVEN), dice.choice(LAST)

    def live(self, story: str) -> None:
        """Do what the story says."""
        {
            "stranger": self._stranger,
            "lead": self._lead,
            "two devices": self._two_devices,
            "proved": self._proved,
            "shared device": self._shared_device,
        }[story]()

    def _stranger(self) -> None:
        token = self._token("a")
        self._browse(token)
        self._truth("stranger", {("anonymous_token", token)}, "ghost", None)

    def _lead(self) -> None:
        token, email = self._token("a"), self._email()
        self._browse(token)
        self._form(token, email)
        self._truth("lead", {("anonymous_token", token), ("email", email)}, "lead", email)

    def _two_devices(self) -> None:
        laptop, phone, email, user = self._token("a"), self._token("b"), self._email(), f"user-{self._mark}"
        self._browse(laptop)
        self._form(laptop, email)
        self._browse(phone)
        self._log_in(phone, user, email)
        self._browse(phone)
        held = {("anonymous_token", laptop), ("anonymous_token", phone), ("email", email), ("user_id", user)}
        self._truth("two devices", held, "lead", email)

    def _proved(self) -> None:
        token, email = self._token("a"), self._email()
        self._browse(token)
        self._form(token, email)
        self._later(minutes=5)
        self._call("topic", "proof", anonymous_id=token, traits={"email": email})
        self._truth("proved", {("anonymous_token", token), ("email", email)}, "contact", email)

    def _shared_device(self) -> None:
        """One logs in on the tablet, hours later the other: the tablet is the second one's from then on, and nobody is merged."""
        tablet, first, second = self._token("t"), f"user-{self._mark}-1", f"user-{self._mark}-2"
        first_email, second_email = self._email("1"), self._email("2")
        self._log_in(tablet, first, first_email)
        self._browse(tablet)
        self._later(minutes=300)
        self._given, self._last = self._dice.choice(GIVEN), self._dice.choice(LAST)
        self._log_in(tablet, second, second_email)
        self._truth("shared device", {("user_id", first), ("email", first_email)}, "lead", first_email)
        held = {("user_id", second), ("email", second_email), ("anonymous_token", tablet)}
        self._truth("shared device", held, "lead", second_email)

    def _browse(self, token: str) -> None:
        for _ in range(self._dice.randrange(2, 6)):
            self._later(minutes=self._dice.randrange(1, 20))
            self._call("browser", "page", anonymous_id=token, name=self._dice.choice(PAGES))
        if self._dice.random() < 0.3:  # noqa: PLR2004 -- a share of visitors
            self._call("browser", "track", anonymous_id=token, name="Video Played")

    def _form(self, token: str, email: str) -> None:
        self._later(minutes=2)
        typed = email.upper() if self._dice.random() < 0.2 else email  # noqa: PLR2004 -- people write it as they like
        traits = {"email": typed, "firstName": self._given, "lastName": self._last, "plan": self._dice.choice(PLANS)}
        self._call("browser", "identify", anonymous_id=token, traits=traits)

    def _log_in(self, token: str, user: str, email: str) -> None:
        self._later(minutes=30)
        traits = {"email": email, "firstName": self._given, "lastName": self._last}
        self._call("backend", "identify", anonymous_id=token, user_id=user, traits=traits)

    def _later(self, *, minutes: int) -> None:
        self._now += timedelta(minutes=minutes)

    def _call(self, sender: Sender, kind: Literal["page", "track", "identify", "proof"], **more: Any) -> None:
        self._visits.calls.append(Call(sender, kind, self._now, **more))
        self._now += timedelta(seconds=self._dice.randrange(1, 50))

    def _truth(self, story: str, identifiers: set[tuple[str, str]], type_: str, email: str | None) -> None:
        self._visits.people.append(Person(story, frozenset(identifiers), type_, email))

    def _token(self, device: str) -> str:
        return f"anon-{self._mark}-{device}-{self._dice.randrange(16**8):08x}"

    def _email(self, more: str = "") -> str:
        return f"{self._given}.{self._last}.{self._mark}{more}@example.com".lower()


def of(visits: Visits, sender: Sender) -> Iterator[Call]:
    """The calls of one sender, in the order of their time."""
    return (call for call in visits.calls if call.sender == sender)
