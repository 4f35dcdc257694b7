"""The embedded servers: what they held is kept, nothing outlives its owner, and what goes wrong is said in a sentence."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from onefold.local.failures import FolderInUse, PortTaken
from onefold.local.jars import kafka_jars
from onefold.local.servers import LocalServers

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("kafka", "postgres", "redis")
RUN = [sys.executable, "-m", "tests.support.run_servers"]
TOPIC = "kept"


async def _write(servers: LocalServers) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_servers)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_servers) as producer:
        await producer.send_and_wait(TOPIC, b"a record")
    connection = await asyncpg.connect(servers.postgres_admin_url)
    await connection.execute("create table kept as select 'a row' as value")
    await connection.close()
    async with Redis.from_url(servers.redis_url) as client:
        await client.set("kept", "a value")


async def _read(servers: LocalServers) -> list[bytes | str]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka_servers)
    consumer.assign([TopicPartition(TOPIC, 0)])
    async with consumer:
        await consumer.seek_to_beginning()
        record = await asyncio.wait_for(consumer.getone(), 20)
    connection = await asyncpg.connect(servers.postgres_admin_url)
    row = await connection.fetchval("select value from kept")
    assert await connection.fetchval("show fsync") == "on"
    await connection.close()
    async with Redis.from_url(servers.redis_url) as client:
        return [record.value, row, await client.get("kept")]


@pytest.mark.asyncio
async def test_what_the_servers_held_is_there_after_a_stop_a_crash_and_a_new_start(tmp_path: Path) -> None:
    async with LocalServers(tmp_path / "data") as servers:
        await _write(servers)
        addresses = (servers.kafka_servers, servers.postgres_url, servers.redis_url)
        await asyncio.sleep(1.1)  # appendfsync everysec: a crash may lose the last second of the index
        for name in NAMES:
            servers.stop(name, signal.SIGKILL)
        assert sorted(servers.dead()) == sorted(NAMES)
        for name in NAMES:
            servers.start(name)
        assert await _read(servers) == [b"a record", "a row", b"a value"]
    async with LocalServers(tmp_path / "data") as servers:
        assert (servers.kafka_servers, servers.postgres_url, servers.redis_url) == addresses
        assert await _read(servers) == [b"a record", "a row", b"a value"]
        assert all(log.stat().st_size for log in servers.log_files.values())


@contextmanager
def _runner(folder: Path, *command: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """The runner program in a process group of its own, once its servers are up."""
    with subprocess.Popen([*command, *RUN, str(folder)], stdout=subprocess.PIPE, text=True, start_new_session=True) as runner:
        assert runner.stdout is not None
        try:
            yield runner, json.loads(runner.stdout.readline())
        finally:
            runner.kill()


def _until_gone(pids: list[int]) -> list[int]:
    """Those of the processes that still run after twenty seconds."""
    deadline = time.monotonic() + 20
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # dead, and waiting for a parent that in a container may never look


def _descendants(pids: list[int]) -> list[int]:
    """The processes and all below them: Postgres' workers are processes too."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = list(pids)
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_the_process_that_started_it(tmp_path: Path, ending: signal.Signals) -> None:
    """However it ends: killed hard, terminated, or by Ctrl-C, which a terminal sends to the whole group."""
    with _runner(tmp_path / "data") as (runner, pids):
        everything = _descendants(list(pids.values()))
        assert len(everything) > len(NAMES)
        if ending is signal.SIGINT:
            os.killpg(runner.pid, ending)
        else:
            runner.send_signal(ending)
        runner.wait(30)
        assert _until_gone(everything) == []


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux signals a process when its parent dies; elsewhere the guardian alone watches"
)
def test_a_server_dies_even_when_its_guardian_is_killed(tmp_path: Path) -> None:
    with _runner(tmp_path / "data") as (_, pids):
        everything = _descendants(list(pids.values()))
        for pid in pids.values():
            guardian = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            os.kill(guardian, signal.SIGKILL)
        assert _until_gone(everything) == []


def test_a_successor_of_a_killed_process_waits_for_its_servers_and_takes_the_folder(tmp_path: Path) -> None:
    with _runner(tmp_path / "data") as (runner, pids):
        runner.kill()
        runner.wait()
        with LocalServers(tmp_path / "data") as servers:
            assert {servers.pid(name) for name in NAMES}.isdisjoint(pids.values())


def test_one_folder_serves_one_process_at_a_time(tmp_path: Path) -> None:
    with LocalServers(tmp_path, kafka=False, postgres=False), pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
        LocalServers(tmp_path, kafka=False, postgres=False).start_all()


@pytest.mark.parametrize("name", NAMES)
def test_a_port_that_somebody_else_took_is_named(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        servers = LocalServers(
            tmp_path, kafka=name == "kafka", postgres=name == "postgres", redis=name == "redis", ports_wanted={name: port}
        )
        with pytest.raises(PortTaken, match=str(port)):
            servers.start_all()


def test_a_remembered_port_that_is_taken_is_replaced_by_another(tmp_path: Path) -> None:
    with LocalServers(tmp_path, kafka=False, postgres=False) as servers:
        url = servers.redis_url
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    with socket.create_server(("127.0.0.1", port)), LocalServers(tmp_path, kafka=False, postgres=False) as servers:
        assert servers.redis_url != url


@pytest.mark.parametrize("uid", [0, 1, 12_345], ids=["root", "a plain user", "a user without a name"])
def test_the_servers_run_whoever_starts_them(tmp_path: Path, uid: int) -> None:
    """Postgres refuses root and ids without a name. A user namespace makes us look like each, whoever really runs the tests."""
    command = ["unshare", "--user", f"--map-user={uid}", f"--map-group={uid}", *RUN, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "ONEFOLD_TEST_ONCE": "1"})
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == set(NAMES)


def _failure(folder: Path, *names: str, before: str = "true", **environment: str) -> str:
    """The one line that the runner says in a mount namespace that we may change."""
    script = f'{before} && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *RUN, str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "ONEFOLD_TEST_ONCE": "1", **environment})
    assert done.returncode == 78, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    said = _failure(folder, before=f"mount -t tmpfs -o size=64m none {folder}")
    assert said.startswith("NoSpace: ")
    assert "64 MB are free" in said


def test_without_a_network_and_a_cache_the_sentence_says_where_kafka_comes_from(tmp_path: Path) -> None:
    home = tmp_path / "home"
    said = _failure(tmp_path / "data", "kafka", HOME=str(home), https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9")
    assert said.startswith("CannotFetchKafka: ")
    assert "repo.maven.apache.org" in said
    assert "Connect to the network" in said


def test_jars_that_are_there_are_left_as_they_are() -> None:
    """Another process may be reading them."""
    before = [(jar, jar.parent.stat().st_mtime_ns) for jar in kafka_jars()]
    assert [(jar, jar.parent.stat().st_mtime_ns) for jar in kafka_jars()] == before


def test_a_jar_that_was_changed_is_not_run(tmp_path: Path) -> None:
    """The jars are held to hashes like every other package."""
    kafka_jars()  # fetches them, if nobody has yet
    home = tmp_path / "home"
    shutil.copytree(Path.home() / ".m2", home / ".m2")
    with next((home / ".m2").rglob("kafka-server-4*.jar")).open("ab") as jar:
        jar.write(b"!")
    said = _failure(tmp_path / "data", "kafka", HOME=str(home))
    assert "is not the file that Onefold was built with" in said
