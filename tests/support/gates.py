"""What tests do to tasks of their own process at a failpoint: hold one while something else happens, or let the store go away there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import TYPE_CHECKING

from onefold import failpoints
from onefold.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

WITHIN_SECONDS = 60


class Gate:
    """A closed gate at a failpoint. Whoever comes first waits before it; whoever comes later passes."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._reached, self._opened = asyncio.Event(), asyncio.Event()

    async def reached(self) -> None:
        """Wait until somebody stands before the gate."""
        async with asyncio.timeout(WITHIN_SECONDS):
            await self._reached.wait()

    def open(self) -> None:
        """Let whoever waits go on."""
        self._opened.set()

    async def pass_through(self) -> None:
        """What happens at the failpoint."""
        task = asyncio.current_task()
        if task is not None and task.get_name().endswith(self._suffix) and not self._reached.is_set():
            self._reached.set()
            await self._opened.wait()


@asynccontextmanager
async def gate(point: str, *, task: str = "") -> AsyncIterator[Gate]:
    """A gate at `point` for the first task whose name ends with `task`: a consumer's are named by their partition, `…/0`."""
    made = Gate(task)
    failpoints.arm(point, made.pass_through)
    try:
        yield made
    finally:
        made.open()
        failpoints.disarm()


@contextmanager
def failing(point: str, *times: int) -> Iterator[None]:
    """Let the store go away at `point`, the first, third … time that it is reached: `failing(point, 1, 3)`."""
    reached = count(1)

    async def fail() -> None:
        if next(reached) in times:
            raise StoreUnavailable("a failpoint says so")

    failpoints.arm(point, fail)
    try:
        yield
    finally:
        failpoints.disarm()
