"""Use cases on contacts, without a server."""
