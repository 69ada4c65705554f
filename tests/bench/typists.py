"""People who type: letter by letter, as the page's script asks, leaving an answer that the next letter overtakes."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.bench.made_photos import typable

#: What the page's script asks for with each letter, and when the typing pauses.
TYPED, AFTER_A_PAUSE = "beginning", ("rest", "filters", "timeline")
_TYPING = {"Accept": "text/html", "Accept-Encoding": "gzip"}
_QUIET_S = 0.25  # as in the page's script: then the filters are counted
_READING_S = 1.0
_KEY_S = 0.2  # 60 words a minute


@dataclass(slots=True)
class Typed:
    """What came of the keystrokes; times in ms from asking to the last byte."""

    answered: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)  # of the whole query: nobody types on
    aside: list[float] = field(default_factory=list)  # the other photos, filters and time line, after a pause
    left: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # why: how often


async def typed_alone(address: str, texts: Sequence[str], part: str, *, pause_s: float = 0.0) -> list[float]:
    """ms of one request after the other, over one connection."""
    times = []
    async with _browser(address) as browser:
        for text in texts:
            started = time.perf_counter()
            if (status := await _ask(browser, text, part)) != 200:
                raise RuntimeError(f"{status} to {text!r}")
            times.append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(pause_s)
    return times


async def typed_together(address: str, queries: Sequence[str], people: int, seconds: float) -> Typed:
    """All people type one query after the other, each begins somewhere else."""
    typed = Typed()
    end = time.monotonic() + seconds
    await asyncio.gather(*(_person(address, queries, number, end, typed) for number in range(people)))
    return typed


async def _person(address: str, queries: Sequence[str], number: int, end: float, typed: Typed) -> None:
    chance = random.Random(number)
    await asyncio.sleep(chance.random())
    async with _browser(address) as browser:
        while time.monotonic() < end:
            text = chance.choice(queries)
            await _type(browser, text, chance, typed)
            await asyncio.sleep(_QUIET_S)
            await asyncio.gather(*(_timed(browser, text, part, typed.aside, typed) for part in AFTER_A_PAUSE))
            await asyncio.sleep(_READING_S * (0.5 + chance.random()))


async def _type(browser: ClientSession, text: str, chance: random.Random, typed: Typed) -> None:
    for end in range(1, len(text)):
        if not typable(text[:end]):
            continue
        asked = asyncio.create_task(_timed(browser, text[:end], TYPED, typed.answered, typed))
        await asyncio.wait({asked}, timeout=None if end == len(text) else _KEY_S * (0.5 + chance.random()))
        if not asked.done():
            asked.cancel()
            typed.left += 1
        elif typed.answered:
            await asyncio.sleep(max(0.0, _KEY_S * (0.5 + chance.random()) - typed.answered[-1] / 1000))
        await asyncio.gather(asked, return_exceptions=True)
    await _timed(browser, text, TYPED, typed.finished, typed)


async def _timed(browser: ClientSession, text: str, part: str, times: list[float], typed: Typed) -> None:
    started = time.perf_counter()
    try:
        status = await _ask(browser, text, part)
    except (ClientError, TimeoutError, OSError) as error:
        typed.failed[type(error).__name__] += 1
        return
    if status == 200:
        times.append(1000 * (time.perf_counter() - started))
    else:
        typed.failed[str(status)] += 1


async def _ask(browser: ClientSession, text: str, part: str) -> int:
    async with browser.get("/", params={"q": text, "part": part}, headers=_TYPING) as response:
        await response.read()
        return response.status


def _browser(address: str) -> ClientSession:
    # Six connections, as a browser has; what is answered is not unpacked, that is the browser's time.
    return ClientSession(
        address, connector=TCPConnector(limit=6), auto_decompress=False, timeout=ClientTimeout(total=60)
    )


def percentiles(times: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and maximum; zeros where there are fewer than two."""
    if len(times) < 2:
        return (0.0, 0.0, 0.0)
    return statistics.median(times), statistics.quantiles(times, n=20)[-1], max(times)
