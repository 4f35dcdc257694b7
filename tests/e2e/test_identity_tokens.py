"""An identity token's whole way: a key from the command line, a token by a server's own hand, the collector, the resolver, the contact."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from joserfc.jwk import ECKey

from onefold.settings import CollectorSettings
from tests.support.collectors import WORKSPACE, collector_on
from tests.support.commands import onefold
from tests.support.installations import Installation, installation
from tests.support.signing import Server

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.settings import Settings
    from tests.support.servers import Database, Services

HELD = """
select semantic_type, assurance from identifiers i where i.held_until is null and i.contact_id =
  (select contact_id from identifiers where held_until is null and semantic_type = 'user_id' and normalised = $1)
"""
WORDS = ["claimed", "asserted", "proved"]


def settings_with_a_free_port(mine: Installation) -> Settings:
    """The installation's settings, for a collector beside others on this machine."""
    return mine.role.settings.model_copy(update={"collector": CollectorSettings(port=0)})


async def held_by(mine: Installation, user_id: str) -> dict[str, str]:
    """The identifiers of the contact with this user id, and how sure we are of each."""
    async with mine.store.transaction([WORKSPACE]) as connection:
        return {row["semantic_type"]: WORDS[row["assurance"]] for row in await connection.fetch(HELD, user_id)}


@pytest.mark.asyncio
async def test_a_token_raises_what_it_names_all_the_way_to_the_contact(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S50: made, signed, shown, resolved, rotated and revoked as an operator and a server would."""
    async with installation(services, database, topic_prefix, redis_url, partitions=3) as mine:
        made = (await onefold(mine, "identity-keys", "create", "--workspace", WORKSPACE, "--title", "backend", "--json")).json()
        server = Server(WORKSPACE, ECKey.import_key(made["private_key"].encode()), UUID(made["key_id"]))
        async with mine.resolvers(1), collector_on(settings_with_a_free_port(mine), mine.store) as collector, httpx.AsyncClient() as client:

            async def identify(user_id: str, **claims: Any) -> Any:
                call = {"userId": user_id, "anonymousId": f"of {user_id}", "traits": {"email": f"{user_id}@example.com"}}
                token = server.token(datetime.now(UTC), sub=user_id, **claims)
                answer = await client.post(
                    f"{collector.host}/v1/identify", json=call, auth=(collector.public_key, ""), headers={"X-Identity-Token": token}
                )
                assert answer.status_code == 200
                return answer.json()

            assert await identify("bare") == {"success": True}
            assert await identify("full", email="full@example.com", anonymous_id="of full") == {"success": True}
            assert [each["code"] for each in (await identify("foreign", iss="beta"))["not_asserted"]] == ["token_wrong_issuer"]
            await mine.settled()
        assert await held_by(mine, "bare") == {"user_id": "asserted", "anonymous_token": "claimed"}  # its email waits on the side (R1)
        assert await held_by(mine, "full") == {"user_id": "asserted", "anonymous_token": "asserted", "email": "asserted"}
        assert set((await held_by(mine, "foreign")).values()) == {"claimed"}
        await _rotates(mine, made["key_id"], tmp_path)


async def _rotates(mine: Installation, old: str, folder: Path) -> None:
    """`add` takes a public key and no private one; `revoke` ends the old key, and `list` says so."""
    pair = ECKey.generate_key("P-256")
    (folder / "public.pem").write_bytes(pair.as_pem(private=False))
    (folder / "private.pem").write_bytes(pair.as_pem(private=True))
    words = ["--workspace", WORKSPACE, "--title", "new"]
    assert "must not leave" in (await onefold(mine, "identity-keys", "add", *words, str(folder / "private.pem"), code=1)).talk
    assert "cannot be read" in (await onefold(mine, "identity-keys", "add", *words, str(folder / "none.pem"), code=1)).talk
    new = (await onefold(mine, "identity-keys", "add", *words, str(folder / "public.pem"))).data.decode().strip()
    await onefold(mine, "identity-keys", "revoke", str(old), "--workspace", WORKSPACE)
    await onefold(mine, "identity-keys", "revoke", new, "--workspace", "nowhere", code=4)
    listed = (await onefold(mine, "identity-keys", "list", "--workspace", WORKSPACE, "--json")).json()
    assert [(each["key_id"], each["state"]) for each in listed] == [(old, "revoked"), (new, "live")]
    assert not any("private" in name for each in listed for name in each)


@pytest.mark.asyncio
async def test_a_key_that_requires_tokens_is_made_at_the_command_line(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S50, enforce mode: no name without a token, through the real door."""
    async with installation(services, database, topic_prefix, redis_url, partitions=3) as mine:
        words = ["keys", "create", "--workspace", WORKSPACE, "--title", "site", "--require-identity", "--kind"]
        await onefold(mine, *words, "secret", code=1)
        key = (await onefold(mine, *words, "public")).data.decode().strip()
        async with collector_on(settings_with_a_free_port(mine), mine.store) as collector, httpx.AsyncClient() as client:
            call = {"userId": "u1", "anonymousId": "a"}
            answer = await client.post(f"{collector.host}/v1/identify", json=call, auth=(key, ""))
            assert [each["code"] for each in answer.json()["rejected"]] == ["identity_token_required"]
            assert await collector.written() == []
