"""Use cases on what describes contacts, on real Postgres."""
