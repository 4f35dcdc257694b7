"""Free ports on the loopback address.

Picked below the range that systems hand out to outgoing connections (from 32768 on Linux), so that a port which is remembered is most
likely free again at the next start.
"""

from __future__ import annotations

import random
import socket

from onefold.local.failures import LocalServersFailed

HOST = "127.0.0.1"
_LOWEST, _HIGHEST = 15_000, 32_000
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a server before may still be in TIME_WAIT
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def pick(avoid: set[int]) -> int:
    """A free port that is not among those to avoid."""
    for _ in range(_TRIES):
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - spreads, does not protect
        if port not in avoid and is_free(port):
            return port
    raise LocalServersFailed(f"No free port between {_LOWEST} and {_HIGHEST} on {HOST} in {_TRIES} tries.")
