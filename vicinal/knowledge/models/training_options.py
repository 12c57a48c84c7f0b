"""How an embedding is trained."""

from typing import NamedTuple


class TrainingOptions(NamedTuple):
    """How an embedding is trained."""

    dim: int = 128
    """complex numbers of each vector"""

    batch: int = 256
    """questions of a step"""

    sampled: int = 512
    """entities that are drawn in a step, beside the answers; all if there are fewer"""

    lr: float = 0.15
    n3: float = 0.1
    scale: float = 0.01
    """standard deviation of the vectors at the start"""
