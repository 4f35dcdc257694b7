"""A broker as production has it: TLS by an authority of its own, a name and password for each role, and rights that somebody must give."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.bootstrap import kafka_connection
from onefold.local.ports import HOST, pick
from onefold.local.servers import LocalServers
from onefold.settings import Kafka
from onefold.topics.rights import ROLES
from tests.support.providers import certificate_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from onefold.topics.client import KafkaConnection

ADMIN = "admin"

_PROPERTIES = """
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller},GUARDED://{host}:{guarded}
advertised.listeners=PLAINTEXT://{host}:{broker},GUARDED://localhost:{guarded}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL
listener.name.guarded.sasl.enabled.mechanisms=PLAIN
listener.name.guarded.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {users};
listener.name.guarded.ssl.keystore.type=PEM
listener.name.guarded.ssl.keystore.location={keystore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{admin}
"""
"""Without a name one comes in by the other listener, as the broker itself and the tests' own preparations do."""


@dataclass(frozen=True, slots=True)
class GuardedKafka:
    """Where it listens, and who may come."""

    open_servers: str
    """Where nobody is asked for a name: for what a test prepares and looks up."""
    servers: str
    ca_file: Path
    passwords: dict[str, str]

    def settings(self, user: str, prefix: str) -> Kafka:
        """The settings of whoever comes as this user."""
        return Kafka(
            servers=self.servers,
            topic_prefix=prefix,
            security_protocol="SASL_SSL",
            sasl_mechanism="PLAIN",
            ca_file=self.ca_file,
            username=user,
            password=self.passwords[user],
        )

    def connection(self, user: str, prefix: str) -> KafkaConnection:
        """How this user reaches it."""
        return kafka_connection(self.settings(user, prefix), "test")

    def environment(self, role: str) -> dict[str, str]:
        """What a process of this role needs beside the rest."""
        return {
            "ONEFOLD_KAFKA__SERVERS": self.servers,
            "ONEFOLD_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "ONEFOLD_KAFKA__SASL_MECHANISM": "PLAIN",
            "ONEFOLD_KAFKA__CA_FILE": str(self.ca_file),
            "ONEFOLD_KAFKA__USERNAME": f"onefold-{role}",
            "ONEFOLD_KAFKA__PASSWORD": self.passwords[f"onefold-{role}"],
        }


@contextmanager
def guarded_kafka(folder: Path) -> Iterator[GuardedKafka]:
    """A broker that knows each role by name, and lets none of them do anything yet."""
    certificate, key = certificate_for("localhost", folder)
    keystore = folder / "keystore.pem"
    keystore.write_bytes(key.read_bytes() + certificate.read_bytes())
    passwords = {user: secrets.token_hex(16) for user in (ADMIN, *(f"onefold-{role}" for role in ROLES))}
    ports: dict[str, int] = {}
    for name in ("kafka", "kafka_controller", "guarded"):
        ports[name] = pick(set(ports.values()))
    properties = _PROPERTIES.format(
        host=HOST,
        broker=ports["kafka"],
        controller=ports["kafka_controller"],
        guarded=ports["guarded"],
        users=" ".join(f'user_{user}="{password}"' for user, password in passwords.items()),
        keystore=keystore,
        admin=ADMIN,
    )
    wanted = {name: ports[name] for name in ("kafka", "kafka_controller")}
    with LocalServers(folder / "broker", postgres=False, redis=False, ports_wanted=wanted, kafka_properties=properties) as broker:
        yield GuardedKafka(broker.kafka_servers, f"localhost:{ports['guarded']}", certificate, passwords)
