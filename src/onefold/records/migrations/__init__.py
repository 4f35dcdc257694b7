"""The database's history: one revision a file, never changed once released."""
