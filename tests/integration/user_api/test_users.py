"""Users, roles and keys through the API: S58, S59, S79."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from onefold.records import users
from tests.support.apis import Api, api_on

if TYPE_CHECKING:
    from onefold.records.store import Store

pytestmark = pytest.mark.asyncio

ANY = {"if-match": "*"}


async def test_s79_nobody_grants_or_takes_a_role_above_their_own(api: Api, store: Store) -> None:
    """S79: nor changes whoever stands above them; a Master changes no user at all."""
    admin = await api.user("super_admin")
    async with api.as_role("master") as client:
        for call in (
            client.post("/users", json={"email": "x@example.com", "roles": ["coach"]}),
            client.patch(f"/users/{admin.user_id}", json={"roles": ["coach"]}, headers=ANY),
            client.delete(f"/users/{admin.user_id}"),
        ):
            assert (await call).status_code == 403
    async with store.transaction(["acme"]) as connection:
        assert await users.user_by_id(connection, "acme", admin.user_id) == admin


async def test_s79_the_last_super_admin_stays(api: Api) -> None:
    """S79: neither demoted, disabled nor archived; of two who demote each other at once, one stays."""
    one, two = await api.user("super_admin"), await api.user("super_admin")
    async with api.signed_in(one) as client, api.signed_in(two) as other:
        assert (await client.delete(f"/users/{one.user_id}")).status_code == 403, "one's own user"
        answers = await asyncio.gather(
            client.patch(f"/users/{two.user_id}", json={"roles": ["coach"]}, headers=ANY),
            other.patch(f"/users/{one.user_id}", json={"roles": ["coach"]}, headers=ANY),
        )
        codes = sorted(each.status_code for each in answers)
        assert codes in ([200, 403], [200, 409])
    async with api.store.transaction(["acme"]) as connection:
        assert len(await users.lock_admins(connection, "acme")) == 1
    survivor = one if codes and answers[0].status_code == 200 else two
    async with api.signed_in(survivor) as client:
        for edit in ({"roles": ["master"]}, {"is_enabled": False}):
            answer = await client.patch(f"/users/{survivor.user_id}", json=edit, headers=ANY)
            assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")


async def test_journey_managers_do_not_see_who_administers(api: Api) -> None:
    """Product-facts 2.1."""
    admin, manager = await api.user("super_admin"), await api.user("journey_manager")
    async with api.as_role("journey_manager") as client:
        listed = (await client.get("/users")).json()["items"]
        assert str(manager.user_id) in {each["user_id"] for each in listed}
        assert all(each["roles"] == ["journey_manager"] for each in listed)
        assert (await client.get(f"/users/{admin.user_id}")).status_code == 404


async def test_an_archived_user_is_out_of_lists_and_comes_back(api: Api) -> None:
    user = await api.user("coach")
    async with api.signed_in(user) as theirs, api.as_role("super_admin") as client:
        assert (await client.delete(f"/users/{user.user_id}")).status_code == 204
        assert (await theirs.get("/me")).status_code == 401
        active = {each["user_id"] for each in (await client.get("/users")).json()["items"]}
        archived = {each["user_id"] for each in (await client.get("/users", params={"archived": True})).json()["items"]}
        assert (str(user.user_id) in active, str(user.user_id) in archived) == (False, True)
        assert (await client.post(f"/users/{user.user_id}/restore")).json()["archived_at"] is None


async def test_s58_a_key_is_shown_once_and_stored_hashed(api: Api, store: Store) -> None:
    """S58: prefix, 256 bits, the tail only in lists, nothing of it in the store."""
    speaker = await api.user("service_account")
    async with api.as_role("super_admin") as client:
        body = {"kind": "service", "title": "nightly", "user_id": str(speaker.user_id)}
        made = (await client.post("/keys", json=body)).json()
        secret = made["secret"]
        assert secret.startswith("of_srv_")
        assert len(secret) == 50
        listed = (await client.get("/keys")).text
        assert secret not in listed
        assert secret[-4:] in listed
        async with api.client(secret) as machine:
            assert (await machine.get("/me")).json()["user"]["user_id"] == str(speaker.user_id)
        used = (await client.get(f"/keys/{made['key_id']}")).json()
        assert used["last_used_at"] is not None
    async with store.transaction(["acme"]) as connection:
        for table in ("keys", "log_entries", "log_details"):
            assert secret not in str([dict(row) for row in await connection.fetch(f"select * from {table}")])  # noqa: S608 -- names of ours


async def test_s58_a_repeat_of_the_call_does_not_show_the_key_again(api: Api, store: Store) -> None:
    """S58, S85: what a repeat is answered is kept, and a secret is not."""
    async with api.as_role("super_admin") as client:
        made: list[dict[str, str]] = []
        for path, body in (("/keys", {"kind": "secret", "title": "x"}), ("/keys/{}/rotate", {})):
            url, headers = path.format(made[0]["key_id"] if made else ""), {"idempotency-key": path}
            first, again = [await client.post(url, json=body, headers=headers) for _ in range(2)]
            assert (first.status_code, again.status_code) == (201, 201)
            assert again.headers["idempotency-replayed"] == "true"
            assert first.json()["secret"].startswith("of_sec_")
            assert again.json() == {**first.json(), "secret": None}
            made.append(first.json())
    async with store.transaction(["acme"]) as connection:
        kept = b"".join(row["body"] for row in await connection.fetch("select body from idempotency_keys"))
    assert b"of_sec_" in kept, "what it begins and ends with is no secret"
    assert not [each for each in made if each["secret"].encode() in kept]


async def test_s59_two_keys_live_while_one_is_rotated_and_a_revoked_one_is_out(api: Api) -> None:
    """S59: the User API looks a key up at every call, so it is out at once."""
    speaker = await api.user("service_account")
    async with api.as_role("super_admin") as client:
        body = {"kind": "service", "title": "nightly", "user_id": str(speaker.user_id)}
        old, new = [(await client.post("/keys", json=body)).json() for _ in range(2)]
        async with api.client(old["secret"]) as one, api.client(new["secret"]) as other:
            assert [(await each.get("/me")).status_code for each in (one, other)] == [200, 200]
            disabled = await client.patch(f"/keys/{new['key_id']}", json={"is_enabled": False})
            assert disabled.json()["state"] == "disabled"
            assert (await other.get("/me")).status_code == 401
            await client.patch(f"/keys/{new['key_id']}", json={"is_enabled": True})
            assert (await client.delete(f"/keys/{old['key_id']}")).status_code == 204
            assert [(await each.get("/me")).status_code for each in (one, other)] == [401, 200]


async def test_a_key_works_from_its_addresses_only(api: Api) -> None:
    """Product-facts 2.3: empty is any; networks count, in both families."""
    speaker = await api.user("service_account")
    for addresses, expected in ((["192.0.2.7"], 200), (["192.0.2.0/24", "::1"], 200), (["198.51.100.0/24", "::/0"], 401), ([], 200)):
        async with api.client(await api.key(speaker, addresses=addresses)) as client:
            assert (await client.get("/me")).status_code == expected


async def test_a_key_works_on_its_pages_only(api: Api) -> None:
    """Product-facts 2.3: empty is any; with wildcards; a call from no page is from none of them."""
    speaker = await api.user("service_account")
    async with api.as_role("super_admin") as client:
        body = {"kind": "service", "title": "widget", "user_id": str(speaker.user_id), "allowed_urls": ["https://*.example.com/*"]}
        made = (await client.post("/keys", json=body)).json()
        for headers, expected in (
            ({"origin": "https://shop.example.com"}, 200),
            ({"referer": "https://shop.example.com/x"}, 200),
            ({"origin": "https://evil.example"}, 401),
            ({"origin": "https://evil.example", "referer": "https://shop.example.com/x"}, 401),
            ({}, 401),
        ):
            async with api.client(made["secret"], **headers) as page:
                assert (await page.get("/me")).status_code == expected, headers


async def test_s59_a_rotation_makes_an_alike_key_and_ends_the_old_one_after_a_while(api: Api, store: Store) -> None:
    """S59: both live for the overlap, by the store's clock; a key that has ended is not rotated, nor one of somebody above."""
    speaker = await api.user("service_account")
    async with api.as_role("super_admin") as client:
        body = {
            "kind": "service",
            "title": "nightly",
            "description": "for x",
            "user_id": str(speaker.user_id),
            "allowed_addresses": ["192.0.2.0/24"],
        }
        old = (await client.post("/keys", json=body)).json()
        answer = await client.post(f"/keys/{old['key_id']}/rotate", json={"overlap_hours": 1})
        assert answer.status_code == 201, answer.text
        new = answer.json()
        alike = ("kind", "title", "description", "user_id", "allowed_urls", "allowed_addresses", "requires_identity", "is_enabled")
        assert {name: new[name] for name in alike} == {name: old[name] for name in alike}
        assert (new["expires_at"], new["state"]) == (None, "live")
        assert new["secret"] != old["secret"]
        async with api.client(old["secret"]) as one, api.client(new["secret"]) as other:
            assert [(await each.get("/me")).status_code for each in (one, other)] == [200, 200]
            async with store.transaction(["acme"]) as connection:
                await connection.execute("update keys set expires_at = expires_at - interval '1 hour' where expires_at is not null")
            assert [(await each.get("/me")).status_code for each in (one, other)] == [401, 200]
        again = await client.post(f"/keys/{old['key_id']}/rotate", json={})
        assert (again.status_code, again.json()["code"]) == (409, "key_ended")
        assert (await client.post(f"/keys/{new['key_id']}/rotate", json={"overlap_hours": 721})).status_code == 422
        above = (await client.post("/keys", json={**body, "user_id": str((await api.user("super_admin")).user_id)})).json()
        entries = (await client.get("/log", params={"object_id": old["key_id"]})).json()["items"]
        assert entries[0]["action"] == "updated"
    async with api.as_role("master") as client:
        assert (await client.post(f"/keys/{above['key_id']}/rotate", json={})).status_code == 403
        at_once = await client.post(f"/keys/{new['key_id']}/rotate", json={"overlap_hours": 0})
        assert at_once.status_code == 201
    async with api.client(new["secret"]) as gone:
        assert (await gone.get("/me")).status_code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "service", "title": "x"}, "invalid_kind"),
        ({"kind": "secret", "title": "x", "requires_identity": True}, "invalid_kind"),
        ({"kind": "public", "title": " "}, "invalid_title"),
        ({"kind": "public", "title": "x", "allowed_urls": ["javascript:alert(1)"]}, "invalid_url"),
        ({"kind": "public", "title": "x", "allowed_addresses": ["10.0.0.300"]}, "invalid_address"),
        ({"kind": "public", "title": "x", "expires_at": "2020-01-01T00:00:00Z"}, "invalid_expiry"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(api: Api, body: dict[str, object], code: str) -> None:
    async with api.as_role("super_admin") as client:
        answer = await client.post("/keys", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_the_address_behind_a_trusted_proxy_is_the_one_that_counts(store: Store) -> None:
    """A forwarded address counts from a trusted proxy, and from nobody else."""
    from ipaddress import ip_network  # noqa: PLC0415

    async with api_on(store, trusted_proxies=(ip_network("192.0.2.0/24"),)) as api:
        speaker = await api.user("service_account")
        async with api.client(await api.key(speaker, addresses=["203.0.113.9"])) as client:
            assert (await client.get("/me", headers={"x-forwarded-for": "203.0.113.9"})).status_code == 200
            assert (await client.get("/me", headers={"x-forwarded-for": "203.0.113.9, 203.0.113.10"})).status_code == 401
    async with api_on(store) as api:
        speaker = await api.user("service_account")
        async with api.client(await api.key(speaker, addresses=["203.0.113.9"])) as client:
            assert (await client.get("/me", headers={"x-forwarded-for": "203.0.113.9"})).status_code == 401
