"""Webhooks, the secrets that they are signed with, and what is due to them."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0036"
down_revision = "0038"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
