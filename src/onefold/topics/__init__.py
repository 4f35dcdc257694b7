"""Kafka: connections, consumers with fenced progress, producers, dead letters, administration of topics.

The only room that imports aiokafka, which is untyped: what leaves this room is typed, and its errors are ours. It knows nothing of
Postgres: where to go on, and under which epoch, comes through a hook.
"""
