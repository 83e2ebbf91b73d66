"""Answers that come after a time that does not tell what was done meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ANSWER_SECONDS = 0.5


@asynccontextmanager
async def in_even_time() -> AsyncIterator[None]:
    """What is done inside takes a whole number of these, whatever it is."""
    began = time.monotonic()
    try:
        yield
    finally:
        await asyncio.sleep(-(time.monotonic() - began) % ANSWER_SECONDS)
