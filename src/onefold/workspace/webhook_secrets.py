"""What webhooks are signed with: derived, not stored, so that nobody signs who has the database alone (security.md, S58; decision 0039).

A secret is a keyed hash of its own id under a secret of the installation, which has versions, as peppers do: the newest makes new ones,
the others go on deriving what was made with them. Pure. Called by the use cases of webhooks and by their sender.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from onefold.errors import Refused
from onefold.records.webhooks import SecretRow

if TYPE_CHECKING:
    from collections.abc import Mapping


class WebhooksNotSetUp(Refused):
    """The installation has no secret that webhooks could be signed with."""

    code = "webhooks_not_set_up"


class SigningSecrets:
    """The secrets of webhooks, by the installation's own, whose versions are given."""

    def __init__(self, by_version: Mapping[int, bytes]) -> None:
        self._by_version = dict(by_version)

    def new(self, webhook_id: UUID) -> SecretRow:
        """What one more secret of a webhook is derived of. Raises WebhooksNotSetUp."""
        if not self._by_version:
            raise WebhooksNotSetUp("this installation signs no webhooks: its operator sets ONEFOLD_WEBHOOKS__SECRETS first")
        return SecretRow(webhook_id, uuid4(), max(self._by_version))

    def derive(self, workspace: str, row: SecretRow) -> bytes | None:
        """The secret itself, 256 bits; None where the installation has not that version any more."""
        own = self._by_version.get(row.version)
        if own is None:
            return None
        return hmac.digest(own, f"webhook\0{workspace}\0{row.webhook_id}\0{row.secret_id}".encode(), "sha256")
