"""Residual networks of plain blocks and of bottlenecks: seconds an update of the weights.

``python -m benchmarks.bottleneck``, half a minute; gray images of 128x128 pixels, batches of 64.
"""

from itertools import pairwise
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from skextra.neural_network._networks._architectures import ResidualBlock, Stem

WIDTHS = (32, 64, 128, 256)
BATCH = (64, 1, 128, 128)


def conv(n_in, n_out, side, stride=1):
    """Return a convolution and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, side, stride, side // 2, bias=False), nn.BatchNorm2d(n_out)
    )


class Bottleneck(nn.Module):
    """A 3x3 convolution of a quarter of the channels between two of 1x1 (He et al., 2016)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        n_narrow = n_out // 4
        self.narrow = conv(n_in, n_narrow, 1)
        self.middle = conv(n_narrow, n_narrow, 3, stride)
        self.widen = conv(n_narrow, n_out, 1)
        shortcut = [nn.AvgPool2d(2)] if stride == 2 else []
        self.shortcut = nn.Sequential(*shortcut, *(conv(n_in, n_out, 1) if n_in != n_out else []))

    def forward(self, images):
        """Return the block's output."""
        added = functional.relu(self.middle(functional.relu(self.narrow(images))))
        return functional.relu(self.widen(added) + self.shortcut(images))


def network(block, widths):
    """Return a residual network of one block a width."""
    pairs = list(pairwise(widths))
    return nn.Sequential(
        Stem((*BATCH[2:], BATCH[1]), widths[0]),
        block(widths[0], widths[0], 1),
        *[block(n_in, n_out, 2) for n_in, n_out in pairs],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(widths[-1], 4),
    ).to(memory_format=torch.channels_last)


NETWORKS = {
    "plain blocks": (ResidualBlock, 1),
    "bottlenecks": (Bottleneck, 1),
    "bottlenecks, twice as wide": (Bottleneck, 2),
    "bottlenecks, four times as wide": (Bottleneck, 4),
}


def count_multiplications(net):
    """Return the multiplications of all convolutions for one image."""
    counts = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, _, out: counts.append(out[0].numel() * layer.weight[0].numel())
            )
    with torch.no_grad():
        net.eval()(torch.zeros(1, *BATCH[1:]))
    return sum(counts)


def main(repeat=7):
    """Print multiplications, weights and the median seconds of an update of each network."""
    torch.manual_seed(0)
    images = torch.randn(BATCH).contiguous(memory_format=torch.channels_last)
    codes = torch.randint(0, 4, BATCH[:1])
    nets, optimizers = {}, {}
    for name, (block, factor) in NETWORKS.items():
        nets[name] = network(block, [factor * width for width in WIDTHS])
        optimizers[name] = torch.optim.AdamW(nets[name].parameters(), fused=True)
    seconds = {name: [] for name in nets}
    for _ in range(1 + repeat):
        for name, net in nets.items():
            net.train()
            started = perf_counter()
            optimizers[name].zero_grad()
            functional.cross_entropy(net(images), codes).backward()
            optimizers[name].step()
            seconds[name].append(perf_counter() - started)
    print(f"{torch.get_num_threads()} threads, medians of {repeat}")
    print(f"{'':32s} million multiplications   weights   seconds an update")
    for name, net in nets.items():
        n_weights = sum(weights.numel() for weights in net.parameters())
        n_multiplications = count_multiplications(net) / 1e6
        median = np.median(seconds[name][1:])
        print(f"{name:32s} {n_multiplications:22.1f} {n_weights:9,d} {median:19.2f}")


if __name__ == "__main__":
    main()
