"""Dropout from random bytes, which is much cheaper than torch's on a CPU.

::

    y = x m / q,   m = 1 with probability q = 1 - p, else 0

Drawing one of torch's random numbers costs as much as fifty multiplications on a CPU.
Here one draw of 64 bits gives eight random bytes, so q is a multiple of 1/256: for
p = 0.6, q = 102/256 = 0.398, and y is divided by that q, which keeps the mean exact.

N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov: Dropout, JMLR
2014.
"""

import torch
from torch import Tensor, nn

LEVELS = 256


class Dropout(nn.Module):
    """Set a fraction p of the values to zero in training mode, 0 <= p < 1."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self.keep_level = max(1, round((1 - p) * LEVELS))
        """a value is kept where its random byte is below this: q = keep_level / 256"""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.keep_level == LEVELS:
            return x
        return x * dropout_mask(x, self.keep_level)

    def extra_repr(self) -> str:
        return f"p={1 - self.keep_level / LEVELS:.4g}"


def dropout_mask(x: Tensor, keep_level: int) -> Tensor:
    """Draw factors shaped like x: 1/q with probability q = keep_level / 256, else 0."""
    draws = torch.empty(x.numel() // 8 + 1, dtype=torch.int64, device=x.device)
    random_bytes = draws.random_(-(2**63), 2**63 - 1).view(torch.uint8)[: x.numel()]
    kept = (random_bytes < keep_level).to(x.dtype)
    return kept.mul_(LEVELS / keep_level).view(x.shape)
