"""The settings of validation, as the User API shows and takes them (product.md, sections 6 and 9)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from onefold.errors import OnefoldError
from onefold.records import validation_settings
from onefold.records.store import Moved
from onefold.workspace import validation

if TYPE_CHECKING:
    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio

PATH = "/settings/validation"


async def test_the_settings_are_changed_by_version_and_logged_by_key(api: Api) -> None:
    """S84: what was looked at is what is changed. Where texts go is a person's to say, and costs money."""
    async with api.as_role("master") as client, api.as_role("coach") as reader:
        first = await reader.get(PATH)
        assert (first.status_code, first.headers["etag"], first.json()["otp_sms"]["countries"]) == (200, '"0"', [])
        wanted = {**first.json(), "otp_sms": {"countries": ["at"], "per_day": 50}}
        assert (await client.put(PATH, json=wanted)).status_code == 428
        changed = await client.put(PATH, json=wanted, headers={"if-match": first.headers["etag"]})
        assert (changed.status_code, changed.headers["etag"], changed.json()["otp_sms"]["countries"]) == (200, '"1"', ["AT"])
        assert (await reader.get(PATH)).json() == changed.json()
        assert (await client.put(PATH, json={}, headers={"if-match": first.headers["etag"]})).status_code == 412
        same = await client.put(PATH, json=changed.json(), headers={"if-match": "*"})
        assert (same.status_code, same.headers["etag"]) == (200, '"1"')
        (entry,) = (await client.get("/log", params={"object_type": "validation"})).json()["items"]
        assert entry["changes"] == [
            {"type": "setting", "slug": "otp_sms.countries", "old_value": [], "new_value": ["AT"]},
            {"type": "setting", "slug": "otp_sms.per_day", "old_value": 500, "new_value": 50},
        ]
        async with api.as_role("service_account") as machine, api.as_role("journey_manager") as manager:
            assert (await machine.get(PATH)).status_code == 200
            assert (await manager.get(PATH)).status_code == 403
            for other in (machine, manager, reader):
                assert (await other.put(PATH, json={}, headers={"if-match": "*"})).status_code == 403
    async with api.as_role("super_admin", workspace="other") as elsewhere:
        assert (await elsewhere.get(PATH)).headers["etag"] == '"0"'


@pytest.mark.parametrize(
    "wrong",
    [
        {"otp_sms": {"countries": ["Austria"]}},
        {"otp_email": {"attempts": 6}},
        {"otp_email": {"expires_after_seconds": 601}},
        {"otp_email": {"template": "verification_link"}},
        {"magic_link_users": {"redirect_url": "https://evil.example"}},
        {"magic_link_users": {"redirect_url": "//evil.example"}},
        {"redirect_origins": ["https://www.example.com/path"]},
        {"otp_mail": {}},
    ],
    ids=["country", "attempts", "life", "template", "redirect", "scheme-relative", "origin", "unknown"],
)
async def test_what_is_out_of_bounds_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    """S4, S5: bounds hold at every door."""
    async with api.as_role("super_admin") as client:
        assert (await client.put(PATH, json=wrong, headers={"if-match": "*"})).status_code == 422


async def test_of_two_who_set_the_first_settings_at_once_neither_overwrites_the_other(store: Store) -> None:
    """A row that is not there yet cannot be locked: the second begins anew."""
    both = asyncio.Barrier(2)

    async def first(most: int) -> object:
        wanted = validation.edited(validation_settings.ValidationSettings(), [("otp_sms.per_day", most)])
        async with store.transaction(["acme"]) as connection:
            await validation.show(connection, "acme")
            await both.wait()
            return await validation.change(connection, "acme", wanted, if_version=0)

    results = await asyncio.gather(first(1), first(2), return_exceptions=True)
    refused = [each for each in results if isinstance(each, OnefoldError)]
    assert len(refused) == 1
    assert isinstance(refused[0], Moved) or refused[0].code == "version_conflict"
