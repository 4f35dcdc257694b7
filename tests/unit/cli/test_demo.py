"""What the demo says."""

from __future__ import annotations

import pytest

from onefold.cli.demo import named


@pytest.mark.parametrize(
    ("object_type", "count", "said"),
    [
        ("document_templates", 1, "1 document template"),
        ("taxonomies", 1, "1 taxonomy"),
        ("taxonomies", 2, "2 taxonomies"),
        ("contacts", 300, "300 contacts"),
    ],
)
def test_one_of_a_kind_is_named_in_the_singular(object_type: str, count: int, said: str) -> None:
    assert named(object_type, count) == said
