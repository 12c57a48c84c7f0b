"""The baseline: a Gaussian process per target on fingerprints and descriptors."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve

from vicinal.molecules.baseline.features import (
    DescriptorSet,
    Scaler,
    describe,
    substructure_counts,
)
from vicinal.molecules.baseline.gaussian_process import (
    JITTER,
    GaussianProcess,
    LeaveOneOut,
    explained_variance,
    factorize,
    least_negative_evidence,
)
from vicinal.molecules.baseline.kernels import (
    CANDIDATES,
    MolecularKernel,
    median_width,
)
from vicinal.molecules.baseline.tanimoto import tanimoto

MAX_MOLECULES = 6000
"""molecules up to which the process is exact: 0.3 GB, and 2 s for each target"""

MAX_SUPPORT = 2500
"""support molecules of a process that is fitted to more"""

MIN_GAIN = 0.02
"""natural logarithm of the evidence, per molecule, by which another kernel than the
first has to be better: molecules to predict are less like those of training"""

MAX_EVIDENCE_MOLECULES = 500
"""of each target, by which the kernel is chosen"""

MAX_EVIDENCE_TARGETS = 6
"""targets by which the kernel is chosen: those with most molecules"""

MAX_FACTOR_BYTES = 1 << 30
"""of the triangles that are kept for variances"""

ROWS_PER_BLOCK = 2000
"""molecules that are predicted together"""


@dataclass(frozen=True)
class MoleculeFeatures:
    """Features of N molecules."""

    counts: np.ndarray
    """[N, F] of substructures"""

    descriptors: np.ndarray
    """[N, D]"""

    known: "KnownSimilarities | None" = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self, rows: np.ndarray) -> "MoleculeFeatures":
        """Return the features of some molecules."""
        known = self.known
        if known is not None:
            known = known._replace(rows=known.rows[rows])
        return MoleculeFeatures(self.counts[rows], self.descriptors[rows], known)

    def with_similarities(self) -> "MoleculeFeatures":
        """Return the same with all similarities computed, unless they are too many.

        Those of `rows` of the result are then looked up, as folds need them many times.
        """
        if len(self) > MAX_MOLECULES:
            return self
        matrix = tanimoto(self.counts, self.counts)
        return replace(self, known=KnownSimilarities(matrix, np.arange(len(self))))


class KnownSimilarities(NamedTuple):
    """Similarities of all pairs of the molecules from which some were selected."""

    matrix: np.ndarray
    """[N, N]"""

    rows: np.ndarray
    """[M] of the molecules that were selected"""


def similarities(a: MoleculeFeatures, b: MoleculeFeatures) -> np.ndarray:
    """Return Tanimoto similarities [N, M] of molecules."""
    if a.known is not None and b.known is not None and a.known[0] is b.known[0]:
        return a.known.matrix[np.ix_(a.known.rows, b.known.rows)]
    return tanimoto(a.counts, b.counts)


def molecule_features(
    mols: Sequence[Any], descriptors: DescriptorSet = "fast"
) -> MoleculeFeatures:
    """Return the features of molecules."""
    return MoleculeFeatures(substructure_counts(mols), describe(mols, descriptors))


class Predictions(NamedTuple):
    """Predictions of C columns of targets for M molecules."""

    mean: np.ndarray
    """[M, C]"""

    variance: np.ndarray
    """[M, C] of a measurement, its noise included; NaN where it was not asked for"""

    def rows(self, rows: np.ndarray) -> "Predictions":
        """Return the predictions for some molecules."""
        return Predictions(self.mean[rows], self.variance[rows])


@dataclass(frozen=True)
class Baseline:
    """A process for each of C columns of targets, with common support molecules."""

    support: MoleculeFeatures
    """of S molecules; their descriptors are scaled"""

    rows: np.ndarray
    """[S] rows of these among the molecules of `fit`"""

    weights: np.ndarray
    """[S] of the support molecules"""

    known: np.ndarray
    """[S, C] bool: which of them have the target"""

    scaler: Scaler
    kernel: MolecularKernel
    processes: tuple[GaussianProcess, ...]
    """[C], with weights of all S molecules: 0 where the target is not known"""

    triangles: tuple[np.ndarray, ...] = ()
    """[C] of `GaussianProcess.fit_support`, float32; none: the processes are exact"""

    _factors: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)
    """triangles for variances by column, as many as fit into MAX_FACTOR_BYTES"""

    @classmethod
    def fit(
        cls,
        features: MoleculeFeatures,
        targets: np.ndarray,
        weights: np.ndarray | None = None,
        most: int | None = None,
        seed: int = 0,
        *,
        keep_triangles: bool = False,
    ) -> "Baseline":
        """Fit each target to the molecules that have it.

        features: of N molecules. targets: [N, C], NaN where there is none. weights: [N]
        of a measurement, such as its replicates; 0: it is not used. most: support
        molecules; None: all, or MAX_SUPPORT of more than MAX_MOLECULES. seed: of their
        choice. keep_triangles: for variances that are predicted soon.
        """
        n = len(features)
        w = np.ones(n) if weights is None else weights / weights.mean()
        known = ~np.isnan(targets) & (w > 0)[:, None]
        scaler, kernel = choose_kernel(features, targets, known, w)
        scaled = replace(features, descriptors=scaler(features.descriptors))
        support = choose_support(known, most, seed)
        chosen, exact = scaled.rows(support), len(support) == n
        cross = covariance_in_blocks(kernel, scaled, chosen)
        processes, triangles, factors, left = [], [], {}, MAX_FACTOR_BYTES
        for number, (column, own) in enumerate(zip(targets.T, known.T, strict=True)):
            process, triangle = _fit_column(cross, support, column, own, w)
            processes.append(process)
            if not exact:
                triangles.append(triangle.astype(np.float32))
            elif keep_triangles and triangle.nbytes <= left:
                factors[number] = triangle, None
                left -= triangle.nbytes
        return cls(
            chosen,
            support,
            w[support],
            known[support],
            scaler,
            kernel,
            tuple(processes),
            tuple(triangles),
            factors,
        )

    def compact(self) -> "Baseline":
        """Return the same without what was only computed to fit it."""
        return replace(self, support=replace(self.support, known=None), _factors={})

    @property
    def num_columns(self) -> int:
        """Return C, the number of columns of targets."""
        return len(self.processes)

    def predict(
        self, features: MoleculeFeatures, *, with_variance: bool = True
    ) -> Predictions:
        """Return means, and if asked for variances, of M molecules."""
        mean = np.full((len(features), self.num_columns), np.nan)
        variance = np.full_like(mean, np.nan)
        for start in range(0, len(features), ROWS_PER_BLOCK):
            rows = np.arange(start, min(start + ROWS_PER_BLOCK, len(features)))
            cross = self.cross_covariance(features.rows(rows))
            for column, process in enumerate(self.processes):
                if not self.known[:, column].any():
                    continue
                mean[rows, column] = process.predict(cross)
                if with_variance:
                    variance[rows, column] = self._variance(column, cross)
        return Predictions(mean, variance)

    def cross_covariance(self, features: MoleculeFeatures) -> np.ndarray:
        """Return covariances [M, S] of molecules with the support molecules."""
        x = self.scaler(features.descriptors)
        return covariance(self.kernel, replace(features, descriptors=x), self.support)

    def leave_one_out(self, column: int) -> LeaveOneOut:
        """Return the predictions for molecules without themselves, of one column.

        Exact processes only.
        """
        rows, process = np.flatnonzero(self.known[:, column]), self.processes[column]
        factor, _ = self._factors_of(column, rows)
        inverse = cho_solve((factor, True), np.eye(len(rows)))
        return LeaveOneOut(rows, inverse, process.alpha[rows], process.signal)

    def _variance(self, column: int, cross: np.ndarray) -> np.ndarray:
        """Return variances [M]: (2.26), or (8.27) with fewer support molecules."""
        process, rows = self.processes[column], np.flatnonzero(self.known[:, column])
        k, noise = cross[:, rows], process.noise
        factor, triangle = self._factors_of(column, rows)
        left = 1 - explained_variance(factor, k)
        if triangle is not None:
            left = left + noise * explained_variance(triangle, k)
        return process.signal * (np.maximum(left, 0) + noise)

    def _factors_of(
        self, column: int, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the triangles by which variances are computed, of one column."""
        known = self._factors.get(column)
        if known is None:
            own = self.support.rows(rows)
            total = covariance(self.kernel, own, own)
            if self.triangles:
                triangle = self.triangles[column].astype(np.float64)
                known = factorize(total, JITTER), triangle
            else:
                noise = self.processes[column].noise / self.weights[rows]
                known = factorize(total, noise), None
            kept = sum(a.nbytes for a, _ in self._factors.values())
            if kept + total.nbytes > MAX_FACTOR_BYTES:
                self._factors.clear()
            self._factors[column] = known
        return known


def choose_kernel(
    features: MoleculeFeatures,
    targets: np.ndarray,
    known: np.ndarray,
    weights: np.ndarray,
) -> tuple[Scaler, MolecularKernel]:
    """Return the scaling and kernel of the largest evidence, by a random sample.

    features: of N molecules. targets, known: [N, C]. weights: [N]. The evidence is the
    mean over the targets, or over those with most molecules. The first of CANDIDATES is
    used unless another has a clearly larger one (`MIN_GAIN`).
    """
    options = _scaled_candidates(features.descriptors)
    order, losses = np.random.default_rng(0).permutation(len(features)), []
    columns = np.argsort(-known.sum(axis=0), kind="stable")[:MAX_EVIDENCE_TARGETS]
    for column in columns.tolist():
        rows = order[known[order, column]][:MAX_EVIDENCE_MOLECULES]
        y, w = targets[rows, column], weights[rows]
        if not len(rows) or np.ptp(y) == 0:
            continue
        own = features.rows(rows)
        similar, y = similarities(own, own), y - np.average(y, weights=w)
        covariances = (kernel(similar, x[rows], x[rows]) for _, kernel, x in options)
        losses.append([least_negative_evidence(k, y, w) for k in covariances])
    means = np.mean(losses, axis=0) if losses else np.zeros(len(options))
    best = int(np.argmin(means))
    scaler, kernel, _ = options[best if means[best] < means[0] - MIN_GAIN else 0]
    return scaler, kernel


def _scaled_candidates(
    descriptors: np.ndarray,
) -> list[tuple[Scaler, MolecularKernel, np.ndarray]]:
    """Return the scaling, the kernel and the scaled descriptors of each candidate.

    descriptors: [N, D0], not scaled.
    """
    linear, found = Scaler.fit(descriptors), []
    scalers = {False: linear, True: linear.with_normal_scores(descriptors)}
    scaled = {key: scaler(descriptors) for key, scaler in scalers.items()}
    medians = {key: median_width(x) for key, x in scaled.items()}
    for candidate in CANDIDATES:
        key = candidate.normal_scores
        found.append((scalers[key], candidate.kernel(medians[key]), scaled[key]))
    return found


def choose_support(known: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    """Return the rows [S] of the support molecules: all, or a sample of many.

    known: [N, C] which molecules have each target. most: None: as of `Baseline.fit`.
    The sample has an equal share of the molecules of each target, as far as there are
    as many.
    """
    n, columns = known.shape
    size = most or (n if n <= MAX_MOLECULES else MAX_SUPPORT)
    if n <= size:
        return np.arange(n)
    order = np.random.default_rng(seed).permutation(n)
    share = size // max(columns, 1)
    chosen = [order[known[order, column]][:share] for column in range(columns)]
    first = np.unique(np.concatenate(chosen))
    others = order[~np.isin(order, first)]
    return np.sort(np.concatenate([first, others[: size - len(first)]]))


def covariance_in_blocks(
    kernel: MolecularKernel, a: MoleculeFeatures, b: MoleculeFeatures
) -> np.ndarray:
    """Return covariances [N, M] as float64, or of very many molecules as float32."""
    if len(a) <= MAX_MOLECULES:
        return covariance(kernel, a, b)
    found = np.empty((len(a), len(b)), np.float32)
    for start in range(0, len(a), ROWS_PER_BLOCK):
        rows = np.arange(start, min(start + ROWS_PER_BLOCK, len(a)))
        found[rows] = covariance(kernel, a.rows(rows), b)
    return found


def covariance(
    kernel: MolecularKernel, a: MoleculeFeatures, b: MoleculeFeatures
) -> np.ndarray:
    """Return covariances [N, M] of molecules whose descriptors are scaled."""
    return kernel(similarities(a, b), a.descriptors, b.descriptors)


def _fit_column(
    cross: np.ndarray,
    support: np.ndarray,
    y: np.ndarray,
    known: np.ndarray,
    weights: np.ndarray,
) -> tuple[GaussianProcess, np.ndarray]:
    """Fit the process of one target [N] to the molecules that have it.

    Its weights are those of all S support molecules. Returns the triangle for variances
    too: of `GaussianProcess.fit`, or of `fit_support` where S < N.
    """
    rows, own = np.flatnonzero(known), known[support]
    if not own.any():  # its predictions are NaN
        nothing = GaussianProcess(np.nan, np.zeros(len(support)), 1.0, 0.0)
        return nothing, np.zeros((0, 0))
    k = cross[np.ix_(rows, np.flatnonzero(own))]
    if len(support) == len(y):
        process, triangle = GaussianProcess.fit(k, y[rows], weights[rows])
    else:
        positions = np.searchsorted(rows, support[own])
        process, triangle = GaussianProcess.fit_support(
            k, positions, y[rows], weights[rows]
        )
    alpha = np.zeros(len(support))
    alpha[own] = process.alpha
    return process._replace(alpha=alpha), triangle
