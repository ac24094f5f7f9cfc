"""Muon for networks with convolutions."""

import math

import torch

# Coefficients of the Newton-Schulz iteration of Jordan et al. (2024): five steps bring singular
# values from 0.01 to 1 near enough to 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_N_STEPS = 5


class Muon(torch.optim.AdamW):
    """Momentum whose updates are made orthogonal for convolutions, AdamW for other weights.

    The gradient of a layer is a matrix with a few strong directions; an orthogonal update moves
    along all of them alike. :class:`torch.optim.Muon` takes matrices alone. Here the weights of a
    convolution are a matrix of one row an output channel; biases, batch norms and linear layers
    are left to AdamW.

    Parameters
    ----------
    params : iterable of tensors or of dicts
        The weights, as all optimizers of torch take them.
    lr : float, default=1e-3
        Learning rate. Orthogonal updates are scaled to the size that AdamW's have, so that one
        rate serves both.
    betas : tuple of two floats, default=(0.95, 0.999)
        Decay of the momentum, and of AdamW's mean square.
    eps, weight_decay, fused
        As of :class:`torch.optim.AdamW`.

    References
    ----------
    K. Jordan et al. (2024), `Muon: an optimizer for hidden layers in neural networks
    <https://kellerjordan.github.io/posts/muon/>`_.

    J. Liu et al. (2025), Muon is scalable for LLM training,
    :doi:`10.48550/arXiv.2502.16982`: the scale of the updates.
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.95, 0.999), eps=1e-8, weight_decay=1e-2, *, fused=None
    ):
        super().__init__(params, lr, betas, eps, weight_decay, fused=fused)

    @torch.no_grad()
    def step(self, closure=None):
        """Update the weights once; return the closure's loss, if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = {}
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.ndim != 4 or weights.grad is None:
                    continue
                update = self._orthogonal_update(weights, group["betas"][0])
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                weights.add_(update, alpha=-group["lr"])
                gradients[weights], weights.grad = weights.grad, None  # AdamW passes these over
        super().step()
        for weights, gradient in gradients.items():
            weights.grad = gradient
        return loss

    def _orthogonal_update(self, weights, beta):
        """Return about the nearest orthogonal matrix to the momentum, scaled."""
        state = self.state[weights]
        if not state:
            # AdamW looks for "step" wherever there is a state.
            state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(weights)
        momentum = state["momentum"].lerp_(weights.grad, 1 - beta)
        matrix = weights.grad.lerp(momentum, beta).flatten(1)  # Nesterov's look ahead
        is_tall = matrix.shape[0] > matrix.shape[1]
        if is_tall:
            matrix = matrix.T
        matrix = _orthogonalise(matrix / (matrix.norm() + 1e-7))
        matrix.mul_(0.2 * math.sqrt(matrix.shape[1]))
        return (matrix.T if is_tall else matrix).reshape(weights.shape)


def _orthogonalise(matrix):
    """Return a matrix of at least as many columns as rows with singular values near 1.

    Each step multiplies X from the left by aI + b XX' + c (XX')^2. These factors commute with XX',
    so they are multiplied up on the small side, where they are a few times cheaper.
    """
    square, product = matrix @ matrix.T, None
    for step in range(1, _N_STEPS + 1):
        factor = torch.addmm(square, square, square, beta=_B, alpha=_C)
        factor.diagonal().add_(_A)
        product = factor if product is None else factor @ product
        if step < _N_STEPS:
            square = factor @ square @ factor
    return product @ matrix
