from __future__ import annotations

import torch

from contextssl.explorer.flat_map import FlatMap


def test_a_plane_is_shown_as_it_is() -> None:
    """Views on a plane of many dimensions keep their distances, up to one scale."""
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(30, 2, generator=generator)
    basis = torch.linalg.qr(torch.randn(7, 7, generator=generator)).Q[:, :2]
    embeddings = flat @ basis.T + 3
    found = FlatMap.of(embeddings)
    places = found.places(embeddings)
    torch.testing.assert_close(torch.cdist(places, places), torch.cdist(flat, flat) * found.scale, atol=1e-3, rtol=0)
    assert abs(float(places.norm(dim=1).max()) - 1) < 1e-5


def test_by_hand() -> None:
    corners = torch.tensor([[0.0, 0, 0], [4, 0, 0], [4, 2, 0], [0, 2, 0]])
    places = FlatMap.of(corners).places(corners) * 5**0.5
    torch.testing.assert_close(places, torch.tensor([[-2.0, -1], [2, -1], [2, 1], [-2, 1]]))


def test_the_sign_of_a_component_is_fixed() -> None:
    embeddings = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    one, other = FlatMap.of(embeddings), FlatMap.of(embeddings.flip(0))
    torch.testing.assert_close(one.axes, other.axes, atol=1e-5, rtol=0)
    assert all(float(axis[axis.abs().argmax()]) > 0 for axis in one.axes)


def test_views_that_are_all_the_same_lie_in_the_middle() -> None:
    same = torch.ones(4, 3)
    assert FlatMap.of(same).places(same).tolist() == [[0.0, 0.0]] * 4
    line = torch.tensor([[0.0], [1.0], [2.0]])
    assert FlatMap.of(line).places(line).tolist() == [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
