"""The User API on a database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.support.apis import Api, api_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.store import Store


@pytest_asyncio.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    async with api_on(store) as api:
        yield api
