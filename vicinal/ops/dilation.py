"""Dilation: a kernel with gaps, which spans more pixels with the same weights.

A kernel of size 3 and dilation 2 uses the pixels marked x:   x . x . x
so it spans 5 of them, like a kernel of size 5 with zeros at the dots:

    span = (kernel_size - 1) * dilation + 1

Source: F. Yu and V. Koltun 2016, "Multi-scale context aggregation by dilated
convolutions", section 2.
"""

from collections.abc import Sequence

Pair = int | Sequence[int]


def span(kernel_size: Pair, dilation: Pair = 1) -> tuple[int, int]:
    """Return the number of pixels that a kernel spans, including its gaps.

    kernel_size, dilation: pixels, one number or (rows, columns), each at least 1.
    Returns (rows, columns), pixels. Raises ValueError for a number below 1.
    """
    kernel, gaps = pair(kernel_size, "kernel_size"), pair(dilation, "dilation")
    return (kernel[0] - 1) * gaps[0] + 1, (kernel[1] - 1) * gaps[1] + 1


def pair(value: Pair, name: str) -> tuple[int, int]:
    """Return one number, or two, as (rows, columns).

    Raises ValueError, with the parameter's name, unless both are at least 1.
    """
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or min(both) < 1:
        raise ValueError(
            f"{name} must be a whole number of at least 1, or a pair of them "
            f"(rows, columns). Got {value!r}. Write for example {name}=2."
        )
    return both
