from __future__ import annotations

import pickle

import torch

from contextssl.data.blocks import Blocks


def test_blocks_are_drawn_once_while_there_is_room() -> None:
    drawn: list[int] = []

    def draw(number: int) -> torch.Tensor:
        drawn.append(number)
        return torch.full((256,), float(number))

    blocks = Blocks(room=2 * 1024)
    assert [float(blocks.get(number, draw)[0]) for number in (0, 1, 0, 2, 0, 1)] == [0, 1, 0, 2, 0, 1]
    assert drawn == [0, 1, 2, 1], "what was asked for longest ago makes room"
    assert len(blocks) == 2 and blocks.held == 2048
    small = Blocks(room=10)
    assert [float(small.get(number, draw)[0]) for number in (5, 5, 6)] == [5, 5, 6] and len(small) == 1
    assert len(pickle.loads(pickle.dumps(blocks))) == 0
