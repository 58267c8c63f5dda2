"""Blocks of draws from a seed, kept while there is room and drawn again when needed later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor

# Of the fixed augmentations of 100,000 images with 50 views each, or of the views of 60,000 rows of 100 numbers.
ROOM_BYTES = 2**28


class Blocks:
    """The most recently used blocks, in at most ``room`` bytes; never fewer than one. A block is a function of its number alone, so that which ones
    are kept changes nothing but the time.
    """

    def __init__(self, room: int = ROOM_BYTES) -> None:
        self.room, self.held = room, 0
        self._blocks: OrderedDict[int, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    def __getstate__(self) -> dict[str, object]:
        """Nothing that can be drawn again travels to another process."""
        return {"room": self.room, "held": 0, "_blocks": OrderedDict()}

    def get(self, number: int, draw: Callable[[int], Tensor]) -> Tensor:
        """The block of that number, from ``draw`` where it is not held."""
        block = self._blocks.pop(number, None)
        if block is None:
            block = draw(number)
            self.held += block.nbytes
            while self._blocks and self.held > self.room:
                self.held -= self._blocks.popitem(last=False)[1].nbytes
        self._blocks[number] = block
        return block
