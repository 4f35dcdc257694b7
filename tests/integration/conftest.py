"""What tests of several rooms share: an OpenID provider by which somebody signs in elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.providers import Provider, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.providers import Site


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
