"""What visitors do by themselves, against a real Postgres."""
