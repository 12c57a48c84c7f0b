"""Padding: pixels around an image, so that windows can reach its border.

`amounts` returns the number of pixels on each side, `pad` adds them.

With the span of the kernel, s = (kernel_size - 1) * dilation + 1 pixels:

    valid             0 before,           0 after      every window lies inside
    same              floor((s-1)/2),     floor(s/2)   at stride 1 the size stays
    full              s - 1,              s - 1        every overlap, however small
    same_tensorflow   floor(t/2),         ceil(t/2)    the size becomes ceil(H/stride)
                      t = max((ceil(H/stride) - 1) * stride + s - H, 0)

Source: V. Dumoulin and F. Visin 2016, "A guide to convolution arithmetic for deep
learning" (section 2.2); TensorFlow, `tf.nn` "Notes on padding".
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.ops.dilation import Pair, pair, span

Padding = str | int | Sequence[int]


class Amounts(NamedTuple):
    """Pixels added on each side of an image (`F.pad` has another order)."""

    top: int
    bottom: int
    left: int
    right: int


def amounts(
    padding: Padding,
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    dilation: Pair = 1,
    size: Sequence[int] | None = None,
) -> Amounts:
    """Return the number of padding pixels on each side.

    padding: a name from `RULES`; one number for all sides; a pair (rows, columns);
        or (top, bottom, left, right).
    size: (H, W) of the image; only "same_tensorflow" depends on it and on stride.
    Raises ValueError for an unknown name, a negative number or a missing size.
    """
    if not isinstance(padding, str):
        return _explicit(padding)
    if padding not in RULES:
        raise ValueError(_unknown("padding", padding, RULES))
    if padding == "same_tensorflow" and size is None:
        raise ValueError(
            "padding 'same_tensorflow' needs size, the (H, W) of the image, because "
            "it depends on it. Got size=None. Pass size=x.shape[-2:]."
        )
    spans, strides = span(kernel_size, dilation), pair(stride, "stride")
    vertical, horizontal = map(RULES[padding], spans, strides, size or (0, 0))
    return Amounts(*vertical, *horizontal)


def pad(
    x: Tensor, amounts: Sequence[int], mode: str = "zeros", fill: float = 0.0
) -> Tensor:
    """Pad an image, with values according to the mode.

    For the row  a b c d  and two pixels on each side:

        zeros      0 0 | a b c d | 0 0     the value of fill, 0 by default
        edge       a a | a b c d | d d     the nearest pixel (torch: "replicate")
        reflect    c b | a b c d | c b     mirrored at the border pixel
        circular   c d | a b c d | a b     the image repeated like tiles

    x: [..., H, W]. Returns [..., top + H + bottom, left + W + right].
    amounts: (top, bottom, left, right), pixels; see the function `amounts`.
    Raises ValueError for an unknown mode, and for more padding than a mode allows:
    reflect at most H - 1 pixels on a side, circular at most H.
    """
    if mode != "zeros" and mode not in SOURCES:
        raise ValueError(_unknown("mode", mode, ("zeros", *SOURCES)))
    top, bottom, left, right = amounts
    # A size that is symbolic (torch.export) must not be compared: that would fix it.
    if all(isinstance(amount, int) and amount == 0 for amount in amounts):
        return x
    if mode == "zeros":
        return F.pad(x, (left, right, top, bottom), value=fill)
    x = x.index_select(-2, _sources(mode, top, x.shape[-2], bottom, x.device))
    return x.index_select(-1, _sources(mode, left, x.shape[-1], right, x.device))


def _same_tensorflow(span: int, stride: int, size: int) -> tuple[int, int]:
    outputs = -(-size // stride)  # ceil(size / stride)
    # sym_max is max, and also works on the symbolic sizes of torch.export.
    total: Any = torch.sym_max((outputs - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


# Amounts: (pixels before, pixels after), along one axis.
RULES: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
    "valid": lambda span, stride, size: (0, 0),
    # An even span has no middle: as in torch, the extra pixel goes bottom, right.
    "same": lambda span, stride, size: ((span - 1) // 2, span // 2),
    "full": lambda span, stride, size: (span - 1, span - 1),
    "same_tensorflow": _same_tensorflow,
}

# Values: the pixel 0 .. n-1 that is repeated at position p, inside or outside.
SOURCES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "edge": lambda p, n: p.clamp(0, n - 1),
    "replicate": lambda p, n: p.clamp(0, n - 1),
    "reflect": lambda p, n: (n - 1) - ((n - 1) - p.abs()).abs(),  # folded at 0, n-1
    "circular": lambda p, n: p % n,
}


def _explicit(padding: int | Sequence[int]) -> Amounts:
    given = (padding, padding) if isinstance(padding, int) else tuple(padding)
    if len(given) == 2:
        given = (given[0], given[0], given[1], given[1])
    if len(given) != 4 or min(given) < 0:
        raise ValueError(
            "padding must be a name, or 1, 2 or 4 numbers of at least 0: all sides, "
            "(rows, columns) or (top, bottom, left, right). "
            f"Got {padding!r}. Write for example padding=1 or padding='same'."
        )
    return Amounts(*given)


def _sources(
    mode: str, before: int, n: int, after: int, device: torch.device
) -> Tensor:
    limit = {"reflect": n - 1, "circular": n}.get(mode)
    if limit is not None and max(before, after) > limit:
        raise ValueError(
            f"padding in mode {mode!r} must be at most {limit} on a side of {n}. "
            f"Got {max(before, after)}. "
            "Pad less, use a larger image, or use mode 'edge' or 'zeros'."
        )
    return SOURCES[mode](torch.arange(-before, n + after, device=device), n)


def _unknown(name: str, got: object, known: Iterable[str]) -> str:
    words = ", ".join(map(repr, known))
    return f"{name} must be one of {words}. Got {got!r}. Use one of those."
