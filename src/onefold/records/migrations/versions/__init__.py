"""Revisions in order, by number."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run(file: str) -> None:
    """Run the `.sql` file beside a revision: many statements, as they are."""
    sql = Path(file).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda connection: connection.execute(sql))  # type: ignore[union-attr]
