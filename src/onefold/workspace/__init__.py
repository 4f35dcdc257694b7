"""Use cases on what describes contacts: workspaces and segments today. They never commit: the door that opened the transaction does."""
