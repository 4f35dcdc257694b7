"""Kafka's jars: fetched once from Maven Central by `jgo`, into its cache in the user's home, and held to the hashes in `jars.sha256`.

Called by `kafka.py`. The logging backend is resolved apart: in one endpoint with Kafka it would pin an older kafka-clients, with which the
broker crashes.
"""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onefold.local.failures import CannotFetchKafka, NotInstalled

if TYPE_CHECKING:
    from collections.abc import Iterator

KAFKA: Final = "org.apache.kafka:kafka_2.13:4.1.0"
LOGGING: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
_LOGGING_JAR: Final = "log4j-slf4j-impl-2.24.3.jar"


def kafka_jars() -> list[Path]:
    """Every jar of the class path. Raises CannotFetchKafka if one is neither cached nor to be fetched, or not what it should be."""
    jars = _resolve()
    expected = {name: digest for digest, name in map(str.split, files("onefold.local").joinpath("jars.sha256").read_text().splitlines())}
    for jar in jars:
        if hashlib.sha256(jar.read_bytes()).hexdigest() != expected.get(jar.name):
            raise CannotFetchKafka(f"{jar} is not the file that Onefold was built with. Delete it and what it links to, and try again.")
    return jars


def _resolve() -> list[Path]:
    try:
        import jgo  # noqa: PLC0415 - of the extra `local`; without it the other rooms must still be importable
    except ImportError as error:
        raise NotInstalled("jgo") from error
    try:
        with _alone() as cache:
            jars = list(jgo.build(KAFKA).all_jars)
            # jgo takes an environment that holds nothing but modules for an empty one: it would delete and link these anew at each start,
            # while other processes read them.
            logging = next(cache.glob(f"envs/**/modules/{_LOGGING_JAR}"), None)
            return [*jars, logging or next(jar for jar in jgo.build(LOGGING).all_jars if jar.name == _LOGGING_JAR)]
    except (OSError, RuntimeError, ValueError) as error:
        raise CannotFetchKafka(
            "Kafka's jars are not in the cache and could not be fetched from Maven Central (repo.maven.apache.org). Connect to the network "
            f"(or set your proxy) and try again, or set ONEFOLD_KAFKA__SERVERS to a broker that runs already. The reason: {error}"
        ) from error


@contextmanager
def _alone() -> Iterator[Path]:
    """The cache, which one process at a time fills."""
    from jgo.config import GlobalSettings  # noqa: PLC0415 - as above

    cache = Path(GlobalSettings.load().cache_dir)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "onefold.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache
