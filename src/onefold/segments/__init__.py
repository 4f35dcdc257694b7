"""The segment query language, pure: parse, evaluate on a contact, compile to SQL, say which changes matter.

Both readings of a query (`evaluate` and `compile_query`) mean the same; a property test holds them together on real Postgres.
"""
