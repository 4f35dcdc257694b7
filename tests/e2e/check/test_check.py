"""`onefold check` on a real story: clean as it is, and each kind of damage reported, with exit code 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.check.stories import ALL_CHECKED, check, told_story

if TYPE_CHECKING:
    from tests.support.servers import Database, Services


@pytest.mark.asyncio
async def test_a_story_that_went_through_everything_is_clean(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1 to I16: merges, hand-overs, dead letters, segments; and every check looked at something."""
    async with told_story(services, database, topic_prefix, redis_url) as mine:
        report = await check(mine.environment)
    assert [(each["invariant"], each["differences"]) for each in report.findings] == [(invariant, []) for invariant in ALL_CHECKED]
    assert report.code == 0
    assert {each["invariant"] for each in report.findings if not each["checked"]} == {"I8"}, "the outbox alone is empty"
