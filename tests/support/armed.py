"""Run a command of ours with failpoints armed: `python -m tests.support.armed POINT=ACTION[@N] … -- resolver`.

ACTION is `kill` (SIGKILL to itself), `stop` (SIGSTOP to itself), `raise` (an unexpected error) or a number of seconds to wait. `@N`: the
Nth time that the point is reached, and from then on where it is a wait; else each time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from onefold import failpoints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def action_of(text: str) -> Callable[[], Awaitable[None]]:
    """What happens when the point is reached."""
    kind, _, number = text.partition("@")
    reached = 0

    async def act() -> None:
        nonlocal reached
        reached += 1
        if kind in {"kill", "stop", "raise"} and number and reached != int(number):
            return
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif kind == "raise":
            raise RuntimeError("a failpoint raised this")
        elif not number or reached >= int(number):
            await asyncio.sleep(float(kind))

    return act


def main() -> None:
    """Arm, then be the command."""
    given = sys.argv[1:]
    end = given.index("--")
    for each in given[:end]:
        point, _, action = each.partition("=")
        failpoints.arm(point, action_of(action))
    sys.argv = ["onefold", *given[end + 1 :]]
    from onefold.cli.main import main as command  # noqa: PLC0415 -- after arming

    command()


if __name__ == "__main__":
    main()
