"""The reference of coalescing: TaskPusher's router, in which each add goes to its node at once, in a call of its own.

python one_to_one.py [the flags of `taskpusher router`]

All else is the product's, so that what is compared is the pipe alone.
"""

import asyncio
from math import inf

from taskpusher_router import pipe, server
from taskpusher_router.cli import router


class OneToOne(pipe.Pipe):
    """Has as many calls under way as there are adds."""

    async def put(self, envelope: bytes, deadline: float = inf) -> pipe.Handed:
        """Hand one job over; none waits, so that none is overdue."""
        item = pipe._Item(envelope, deadline, asyncio.get_running_loop().create_future())  # noqa: SLF001
        await self._hand_over([item])
        return await item.handed


if __name__ == "__main__":
    server.Pipe = OneToOne  # type: ignore[misc]
    router()
