"""The Contact API as it runs, where no Redis answers: limits hold, and pumped texts raise an alarm (security.md, S14, S15, S35)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import structlog

from onefold.bootstrap import Role
from onefold.http.contact_api.role import serving
from onefold.observe import Metrics
from onefold.records import validation_settings
from onefold.records.store import Store
from onefold.records.validation_settings import Breaker, SmsSettings, ValidationSettings
from onefold.settings import ContactApiSettings, IndexSettings, Kafka, Postgres, Redis, Settings
from onefold.settings import ValidationSettings as Secret
from tests.support.contact_apis import SITE, public_key

if TYPE_CHECKING:
    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio

CLOSED = "redis://127.0.0.1:1/0"
EARLIER = "update challenges set created_at = created_at - interval '5 minutes', code_expires_at = code_expires_at - interval '5 minutes'"


async def test_s15_s35_without_redis_limits_hold_and_pumped_texts_raise_an_alarm(store: Store, database: Database) -> None:
    """S35: nothing that limits is in Redis. S15: each request is counted while hardly any text is brought back, and one warning a minute."""
    settings = Settings(
        postgres=Postgres(url=database.app_url),
        redis=Redis(url=CLOSED),
        kafka=Kafka(servers="127.0.0.1:1"),
        index=IndexSettings(secret="00" * 32),
        validation=Secret(secret="11" * 32),
        contact_api=ContactApiSettings(port=0),
    )
    breaker = Breaker(least_success_percent=50, sample=10, then_per_minute=1)
    async with store.transaction(["acme"]) as connection:
        sms = SmsSettings(countries=("AT",))
        await validation_settings.write(connection, "acme", ValidationSettings(otp_sms=sms, breaker=breaker))
    key = await public_key(store, allowed_urls=[f"{SITE}/*"])
    role = Role("contact-api", settings, structlog.get_logger(), Metrics())
    with structlog.testing.capture_logs() as said:
        async with (
            serving(role, store) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/contact/v1", headers={"api-key": key, "origin": SITE}) as client,
        ):

            async def text(number: int) -> int:
                body: dict[str, Any] = {"phone": f"+43660{number:03}4567"}
                answer = await client.post("/validations", json=body)
                assert answer.status_code in {202, 429}, answer.text
                return answer.status_code

            assert [await text(number) for number in range(100, 110)] == [202] * 10
            assert await text(100) == 429, "too soon"
            owner = await Store.connect(database.admin_url)
            async with owner.transaction(["acme"]) as connection:
                await connection.execute(EARLIER)
            await owner.close()
            assert [await text(number) for number in range(200, 204)] == [202] + [429] * 3
    labels = {"workspace": "acme", "semantic_type": "phone"}
    assert role.metrics.registry.get_sample_value("onefold_contact_api_slowed_validations_total", labels) == 4
    warned = [each for each in said if each["event"] == "validations_are_slowed"]
    assert [(each["workspace"], each["semantic_type"], each["log_level"]) for each in warned] == [("acme", "phone", "warning")]
