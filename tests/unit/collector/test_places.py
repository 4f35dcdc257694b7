"""Write keys that may be used from some pages and addresses only."""

from __future__ import annotations

import uuid

import pytest

from onefold.access.keys import WriteKey
from onefold.access.places import Places
from tests.support import asking
from tests.support.asking import EVENT, PUBLIC, ask, refused_well

pytestmark = pytest.mark.asyncio

PAGE = {"Origin": "https://shop.example.com"}


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The public key is for pages of example.com, seen from one network."""
    places = Places(("https://*.example.com/*",), ("203.0.113.0/24",))
    monkeypatch.setitem(asking.KEYS, PUBLIC, WriteKey(uuid.UUID(int=1), "acme", secret=False, places=places))


async def test_s62_a_key_takes_events_from_its_pages_on_every_path() -> None:
    """S62: however the key travels; what starts a browser's SDK is refused alike."""
    batch = {"batch": [EVENT], "writeKey": PUBLIC}
    for headers in (PAGE, {"Referer": "https://shop.example.com/pricing"}):
        assert len((await ask("/v1/track", EVENT, headers=headers)).records) == 1
        assert len((await ask("/v1/batch", batch, headers=headers, key=None)).records) == 1
        assert (await ask("/sourceConfig/", method="GET", headers=headers, query=f"writeKey={PUBLIC}", key=None)).status == 200
    for elsewhere in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
        refused_well(await ask("/v1/track", EVENT, headers=elsewhere), 401, "key_not_allowed_here")
        refused_well(await ask("/v1/track", EVENT, headers=elsewhere, key=None, query=f"writeKey={PUBLIC}"), 401, "key_not_allowed_here")
        refused_well(await ask("/v1/batch", batch, headers=elsewhere, key=None), 401, "key_not_allowed_here")
        refused_well(
            await ask("/sourceConfig/", method="GET", headers=elsewhere, query=f"writeKey={PUBLIC}", key=None), 401, "key_not_allowed_here"
        )
        refused_well(await ask(f"/v1/projects/{PUBLIC}/settings", method="GET", headers=elsewhere, key=None), 401, "key_not_allowed_here")


async def test_a_key_takes_events_from_its_addresses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's address, and not one that it says itself."""
    monkeypatch.setitem(
        asking.KEYS, PUBLIC, WriteKey(uuid.UUID(int=1), "acme", secret=False, places=Places(addresses=("198.51.100.0/24",)))
    )
    refused_well(await ask("/v1/track", EVENT, headers={"X-Forwarded-For": "198.51.100.7"}), 401, "key_not_allowed_here")
