"""Hold a task of this process at a failpoint while a test does something else: interleavings made on purpose, without sleeping."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from onefold import failpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
