"""Small pieces of structured concurrency (https://docs.python.org/3/library/asyncio-task.html#task-groups)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@asynccontextmanager
async def running(group: asyncio.TaskGroup, *coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Tasks that are there for as long as the block runs; a failure of one reaches `group`."""
    tasks = [group.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def either(task: asyncio.Task[None], event: Awaitable[Any]) -> None:
    """Waits for the first of the two; `task` goes on where it was the other."""
    other = asyncio.ensure_future(event)
    try:
        await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        other.cancel()


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Waits for `event`, `seconds` at most; returns whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def in_thread_to_the_end(
    function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """As `asyncio.to_thread`; a cancelled caller waits for the thread first, which can't be cancelled."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def first_failure(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that stopped the others, which fail while they are being stopped."""
    first = failures.exceptions[0]
    return first_failure(first) if isinstance(first, BaseExceptionGroup) else first
