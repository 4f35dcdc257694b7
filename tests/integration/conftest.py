"""What tests of several rooms share.

store            a store of the test's own, with workspaces acme and other; under another policy than the default by `pytest.mark.policy`
place, provider  an OpenID provider by which somebody signs in elsewhere
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from onefold.records.store import Store
from tests.support.providers import Provider, site
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.providers import Site
    from tests.support.servers import Database


@pytest_asyncio.fixture
async def store(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """As a role connects."""
    marked = request.node.get_closest_marker("policy")
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme", "other", policy=marked.args[0] if marked is not None else None)
    yield store
    await store.close()


@pytest.fixture
def place() -> Iterator[Site]:
    """The provider's server."""
    with site() as found:
        yield found


@pytest.fixture
def provider(place: Site) -> Provider:
    """The provider, and what it publishes there."""
    found = Provider(place.origin)
    place.publish(found)
    return found
