"""Which webhooks a message is due to, and what they are signed with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from onefold.messages.contacts import ContactChange
from onefold.messages.examples import example
from onefold.messages.segments import SegmentMembership
from onefold.messages.topics import CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP
from onefold.records.webhooks import WebhookRow
from onefold.workspace.webhook_secrets import SigningSecrets, WebhooksNotSetUp
from onefold.workspace.webhooks import KINDS, due_to

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
CHANGE = msgspec.json.decode(example(CONTACTS_CHANGED), type=ContactChange)
MEMBERSHIP = msgspec.json.decode(example(SEGMENTS_MEMBERSHIP), type=SegmentMembership)


def webhook(**changes: Any) -> WebhookRow:
    row = WebhookRow(
        CHANGE.workspace, UUID(int=1), "CRM", "https://crm.example.com/", list(KINDS), [], [], True, None, NOW, None, None, NOW, NOW
    )
    return row._replace(**changes)


def is_due(message: ContactChange | SegmentMembership, *, told_at: datetime = NOW, **changes: Any) -> bool:
    return bool(due_to([webhook(**changes)], message, told_at))


def changed(*names: str) -> ContactChange:
    return msgspec.structs.replace(CHANGE, changes=dict.fromkeys(names, (None, 1)), merged=[])


def test_a_webhook_hears_of_the_kinds_that_it_subscribes_to_in_its_own_workspace() -> None:
    """S88: and of no other's."""
    assert is_due(CHANGE)
    assert is_due(MEMBERSHIP, workspace=MEMBERSHIP.workspace)
    assert not is_due(CHANGE, kinds=["segment.membership"])
    assert not is_due(MEMBERSHIP, kinds=["contact.changed"], workspace=MEMBERSHIP.workspace)
    assert not is_due(CHANGE, workspace="other")


def test_what_happened_before_it_listened_is_not_due_but_for_what_clocks_differ() -> None:
    assert not is_due(CHANGE, told_at=NOW - timedelta(hours=1))
    assert is_due(CHANGE, told_at=NOW - timedelta(seconds=30))


def test_fields_narrow_changes_to_them_and_what_lies_below_but_nobody_misses_where_a_contact_went() -> None:
    assert is_due(changed("email"), fields=["email"])
    assert is_due(changed("attributes.unbound.plan"), fields=["attributes.unbound"])
    assert not is_due(changed("emails", "phone"), fields=["email"])
    assert not is_due(changed(), fields=["email"])
    for name in ("merged_into", "archived_at", "erased_at"):
        assert is_due(changed(name), fields=["email"])


def test_segments_narrow_memberships_to_them() -> None:
    here = MEMBERSHIP.workspace
    assert is_due(MEMBERSHIP, workspace=here, segments=[MEMBERSHIP.segment.slug])
    assert not is_due(MEMBERSHIP, workspace=here, segments=["another"])


def test_s58_a_secret_is_derived_of_its_own_id_and_of_the_version_that_made_it() -> None:
    """S58: what the database holds of it signs nothing; the installation's secret is changed without changing those that were made."""
    first = SigningSecrets({1: b"a" * 32})
    row = first.new(uuid4())
    secret = first.derive("acme", row)
    both = SigningSecrets({1: b"a" * 32, 2: b"b" * 32})
    assert secret is not None
    assert len(secret) == 32
    assert both.derive("acme", row) == secret
    assert both.new(row.webhook_id).version == 2
    others = {both.derive("other", row), both.derive("acme", both.new(row.webhook_id)), SigningSecrets({1: b"c" * 32}).derive("acme", row)}
    assert secret not in others
    assert None not in others
    assert SigningSecrets({2: b"b" * 32}).derive("acme", row) is None
    with pytest.raises(WebhooksNotSetUp, match="ONEFOLD_WEBHOOKS__SECRETS"):
        SigningSecrets({}).new(row.webhook_id)
