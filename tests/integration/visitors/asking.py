"""Asking for codes and links, and reading what was sent, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from onefold.records import validation_settings
from onefold.visitors.challenges import Ask, Asked, Challenges, Confirmed
from tests.support.outreach import requested

if TYPE_CHECKING:
    from datetime import timedelta

    from onefold.messages.outreach import OutreachRequested
    from onefold.records.store import Store
    from onefold.records.validation_settings import ValidationSettings

SECRET = bytes(range(32))
ANN = Ask("acme", "sign_in", "email", "ann@example.com", "https://go.example.com")


class Sent(NamedTuple):
    """What was answered, and what the message brought."""

    asked: Asked
    message: OutreachRequested
    ask: Ask

    @property
    def code(self) -> str:
        """The right one."""
        return self.message.parameters["code"]

    @property
    def wrong(self) -> str:
        """Another one."""
        return f"{(int(self.code) + 1) % 1_000_000:06}"

    @property
    def token(self) -> str:
        """What the link ends with."""
        return self.message.parameters["link"].partition("#")[2]


@dataclass
class Asking:
    """One service, as visitors meet it."""

    store: Store
    owner: Store
    """As the owner of the database: tests move clocks and look into tables."""
    challenges: Challenges = field(default_factory=lambda: Challenges(SECRET))

    async def ask(self, ask: Ask = ANN, **other: Any) -> Sent:
        """Ask, with these differences, in a transaction of its own."""
        wanted = replace(ask, **other)
        async with self.store.transaction([wanted.workspace]) as connection:
            asked = await self.challenges.ask(connection, wanted)
        return Sent(asked, (await requested(self.store))[-1], wanted)

    async def confirm(self, sent: Sent, code: str | None = None, **other: Any) -> Confirmed:
        """Bring the code back as it was sent, with these differences."""
        wanted = {"workspace": sent.ask.workspace, "challenge_id": sent.asked.challenge_id, "browser": sent.asked.browser, **other}
        return await self.challenges.confirm(self.store, code=sent.code if code is None else code, **wanted)

    async def set(self, settings: ValidationSettings, workspace: str = "acme") -> None:
        """Put settings in force."""
        async with self.store.transaction([workspace]) as connection:
            await validation_settings.write(connection, workspace, settings)

    async def later(self, time: timedelta) -> None:
        """Let everything have happened earlier, by so much."""
        async with self.owner.transaction(["acme", "other"]) as connection:
            await connection.execute(
                "update challenges set created_at = created_at - $1::interval, code_expires_at = code_expires_at - $1::interval,"
                " expires_at = expires_at - $1::interval",
                time,
            )
            await connection.execute(
                "update validation_counts set last_at = last_at - $1::interval, ends_at = ends_at - $1::interval", time
            )

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        """What a statement gives to the owner of the database."""
        async with self.owner.transaction(["acme", "other"]) as connection:
            return list(await connection.fetch(query, *values))
