"""Training images changed at random."""

import pytest
import torch
from numpy.testing import assert_allclose

from skextra.neural_network._inputs._augmentation import AUGMENTATIONS, RandomScan


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_every_image_is_changed_and_shape_dtype_and_range_are_kept(name):
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand((16, 1, 32, 32), generator=generator, dtype=torch.float64) * 2 - 1
    before = batch.clone()
    moved = AUGMENTATIONS[name](batch)
    assert moved.shape == batch.shape
    assert moved.dtype == batch.dtype
    assert moved.abs().max() <= 1 + 1e-6
    assert (moved - batch).abs().amax(dim=(1, 2, 3)).min() > 0.01
    assert torch.equal(batch, before)


def test_about_half_of_the_images_are_mirrored():
    left = torch.zeros((200, 1, 16, 16))
    left[..., :4] = 1.0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        moved = AUGMENTATIONS["affine"](left)
    flipped = (moved[..., 8:].mean(dim=(1, 2, 3)) > moved[..., :8].mean(dim=(1, 2, 3))).float()
    assert 0.35 < flipped.mean() < 0.65


def test_without_turn_shift_and_scale_an_image_stays_or_is_its_mirror_image():
    batch = torch.rand((20, 2, 9, 12)) * 2 - 1
    moved = RandomScan(turn=0.0, shift=0.0, scale=0.0)(batch)
    stays = torch.isclose(moved, batch, atol=1e-5).all(dim=(1, 2, 3))
    mirrored = torch.isclose(moved, batch.flip(3), atol=1e-5).all(dim=(1, 2, 3))
    assert (stays | mirrored).all()


def test_gamma_keeps_black_and_white_and_bends_what_is_between():
    batch = torch.tensor([-1.0, 0.0, 1.0]).repeat(50, 1, 3, 1)
    moved = RandomScan(turn=0.0, shift=0.0, scale=0.0, gamma=0.5)(batch)[:, 0, 0]
    ends = moved[:, [0, 2]].sort(dim=1).values
    assert_allclose(ends, [[-1, 1]] * 50, atol=1e-5)
    brightness = (moved[:, 1] + 1) / 2  # 0.5 to the power of exp(u), u within +-0.5
    exponents = brightness.log() / torch.tensor(0.5).log()
    assert exponents.log().abs().max() <= 0.5 + 1e-5
    assert exponents.std() > 0.1
