"""Use cases on contacts, on real Postgres."""
