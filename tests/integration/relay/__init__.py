"""From the outbox to the log, against a real Postgres and a real broker."""
