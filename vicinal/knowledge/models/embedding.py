"""ComplEx: entities and relations as complex vectors.

    score(h, r, t) = Re( sum_k  e_h[k] r[k] conj(e_t[k]) )

T. Trouillon et al.: Complex embeddings for simple link prediction, ICML 2016. Inverse
relations have vectors of their own (T. Lacroix et al.: Canonical tensor decomposition
for knowledge base completion, ICML 2018, section 3.1), so that a score is always that
of a tail.
"""

import torch
from torch import Tensor, nn


class ComplEx(nn.Module):
    """Vectors of entities and directed relations."""

    def __init__(self, num_entities: int, num_directed: int, dim: int) -> None:
        """dim: complex numbers of each vector."""
        super().__init__()
        self.dim = dim
        self.entities = nn.Parameter(torch.zeros(num_entities, 2 * dim))
        self.relations = nn.Parameter(torch.zeros(num_directed, 2 * dim))

    def reset_parameters(self, scale: float, generator: torch.Generator) -> None:
        """Draw all vectors from a normal distribution."""
        with torch.no_grad():
            self.entities.normal_(0, scale, generator=generator)
            self.relations.normal_(0, scale, generator=generator)

    def forward(self, heads: Tensor, relations: Tensor) -> Tensor:
        """Return the scores [N, E] of all entities as tails of N questions."""
        questions = rotate(self.entities[heads], self.relations[relations])
        return questions @ self.entities.T


def rotate(heads: Tensor, relations: Tensor) -> Tensor:
    """Return the complex products [N, 2d] of vectors [N, 2d].

    Real parts are the first d numbers. The dot product with the vector of a tail is the
    score of the triple.
    """
    a, b = heads.chunk(2, dim=-1)
    c, d = relations.chunk(2, dim=-1)
    return torch.cat([a * c - b * d, a * d + b * c], dim=-1)


def cubed_norm(vectors: Tensor) -> Tensor:
    """Return the sum of cubed absolute values [N] of complex vectors [N, 2d].

    This is the N3 regularizer of T. Lacroix et al. 2018.
    """
    real, imaginary = vectors.chunk(2, dim=-1)
    return (real.square() + imaginary.square() + 1e-12).pow(1.5).sum(dim=-1)
