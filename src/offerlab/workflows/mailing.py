"""Deciding for a mailing of up to a hundred thousand, in slices: whoever waits before a screen is served in between.

Not in a thread: one that computes keeps the interpreter for five milliseconds at a time, a slice for two; and what
serves stays with the loop that owns it. And part by part: a hundred thousand objects at once would keep everybody
waiting while the collector looks through them.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from offerlab.workflows.serving import Answered, Ask, Serving

SLICE_S: Final = 0.002
ABREAST: Final = 250
"""A part: so many states are read at once, and so many exposures may wait for their commit."""


class Turns:
    """Takes turns with everybody else on the loop."""

    def __init__(self, slice_s: float = SLICE_S) -> None:
        self._slice_s = slice_s
        self._since = time.perf_counter()

    async def wait(self) -> None:
        """Let the others go on, if this turn has lasted long enough."""
        if time.perf_counter() - self._since > self._slice_s:
            await asyncio.sleep(0)
            self._since = time.perf_counter()


async def answer_part(serving: Serving, project_id: int, part: Sequence[Ask], turns: Turns) -> list[Answered]:
    """Decide for `ABREAST` customers or fewer; states are read together, and exposures share commits."""
    await serving.prefetch(project_id, [ask.request.unit for ask in part if ask.request.unit is not None])
    if any(ask.expose for ask in part):
        return await _abreast(serving, project_id, part)
    answers: list[Answered] = []
    for ask in part:
        answers.append(await serving.answer(project_id, ask, patient=True))
        await turns.wait()
    return answers


async def _abreast(serving: Serving, project_id: int, part: Sequence[Ask]) -> list[Answered]:
    """All of these wait for their commits together; each decides in a turn of its own."""
    waiting: list[asyncio.Task[Answered]] = []
    async with asyncio.TaskGroup() as group:
        for ask in part:
            waiting.append(group.create_task(serving.answer(project_id, ask, patient=True)))
            await asyncio.sleep(0)
    return [task.result() for task in waiting]
