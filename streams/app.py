"""The Faust app of what scales with changes: made in a factory, raw bytes in, no tables, no web server, no topics of its own.

Faust acknowledges a message whose handler raised; agents here take `noack_take` batches, acknowledge after their commit, and never let
an exception out (docs/decisions/0003).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import faust

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.bootstrap import Role


def make_app(role: Role, group: str, folder: Path) -> faust.App:
    """An app for one consumer group. `folder` is where Faust wants to keep its own files; nothing of worth lies there."""
    kafka = role.settings.kafka
    return faust.App(
        kafka.topic_prefix + group,
        broker="kafka://" + kafka.servers.replace(",", ";kafka://"),
        broker_session_timeout=kafka.session_timeout_ms / 1000,
        broker_heartbeat_interval=max(0.3, kafka.session_timeout_ms / 4000),
        broker_commit_every=1_000,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        datadir=str(folder),
        key_serializer="raw",
        value_serializer="raw",
        loghandlers=[],
    )
