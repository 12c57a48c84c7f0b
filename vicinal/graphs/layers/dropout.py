"""Dropout whose coins are bytes: some graph networks toss more of them than they
multiply.

::

    y = x m / q,   m = 1 with chance q = 1 - p, else 0

A coin of torch's costs as much as fifty multiplications on a CPU. Here eight come of
one draw of 64 bits, so that q is a multiple of 1/256: 0.4 becomes 102/256 = 0.398, and
it is that q which y is divided by.

N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov: Dropout, JMLR
2014.
"""

import torch
from torch import Tensor, nn

COINS = 256


class Dropout(nn.Module):
    """Leaves out a share p of the numbers while it learns, 0 <= p < 1."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self.kept = max(1, round((1 - p) * COINS))
        """of 256 coins, how many keep a number"""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.kept == COINS:
            return x
        return x * kept(x, self.kept)

    def extra_repr(self) -> str:
        return f"p={1 - self.kept / COINS:.4g}"


def kept(x: Tensor, count: int) -> Tensor:
    """A factor like x: 256 / count with chance count / 256, else 0."""
    draws = torch.empty(x.numel() // 8 + 1, dtype=torch.int64, device=x.device)
    coins = draws.random_(-(2**63), 2**63 - 1).view(torch.uint8)[: x.numel()]
    return (coins < count).to(x.dtype).mul_(COINS / count).view(x.shape)
