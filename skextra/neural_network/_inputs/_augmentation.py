"""Training images changed at random, a whole batch at once."""

from dataclasses import dataclass
from math import pi

import torch
from torch.nn import functional


@dataclass(frozen=True)
class RandomScan:
    """Mirror, turn, shift, scale and, where `gamma` is given, change the contrast of each image.

    Left and right are exchanged with probability 1/2; the rest is uniform.
    """

    turn: float  # greatest angle in radians
    shift: float  # greatest shift as a share of a side
    scale: float  # greatest change of size as a share
    gamma: float = 0.0  # greatest absolute logarithm of the exponent of the brightness

    def __call__(self, batch):
        """Return the batch changed.

        Parameters
        ----------
        batch : tensor of shape (n_samples, channels, height, width)
            Floating-point images from -1 (black) to 1 (white).

        Returns
        -------
        tensor of the same shape and dtype
        """
        n_samples = len(batch)

        def uniform(width):
            return (2 * torch.rand(n_samples, device=batch.device) - 1) * width

        angle, scale, flip = uniform(self.turn), 1 + uniform(self.scale), torch.sign(uniform(1.0))
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        # The grid spans [-1, 1]: twice the share of a side. Both sides have that length in it, so
        # a turn in pixels is a turn and a shear in an oblong image's grid.
        height, width = batch.shape[2:]
        right, down = uniform(2 * self.shift), uniform(2 * self.shift)
        first_row = [cos * flip, -sin * (height / width), right]
        second_row = [sin * flip * (width / height), cos, down]
        theta = torch.stack([torch.stack(first_row, 1), torch.stack(second_row, 1)], dim=1)
        if self.gamma:
            exponent = uniform(self.gamma).exp().to(batch.dtype).view(-1, 1, 1, 1)
            batch = batch.add(1).mul_(0.5).clamp_(0, 1).pow_(exponent).mul_(2).sub_(1)
        grid = functional.affine_grid(theta.to(batch.dtype), batch.shape, align_corners=False)
        return functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)


AUGMENTATIONS = {
    "affine": RandomScan(turn=pi / 18, shift=0.06, scale=0.1),
    "scan": RandomScan(turn=0.15, shift=0.04, scale=0.08, gamma=0.2),
}
