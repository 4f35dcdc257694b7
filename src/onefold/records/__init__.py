"""Postgres, the system of record: migrations, snapshots, applying plans, outbox, progress, separations, reads.

The only room that imports asyncpg. It decides nothing: `onefold.identity` does.
"""
