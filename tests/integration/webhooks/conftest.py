"""Webhooks on a database of their own, sent to real servers on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.posts import Post

if TYPE_CHECKING:
    from onefold.records.store import Store


@pytest.fixture
def post(store: Store) -> Post:
    return Post(store)
