"""The resolution index in Redis: hints that save reads of Postgres, never a truth. The only room that imports redis.

Called by the resolver through `resolution_index`, and by operators' tools that verify and rebuild it.
"""
