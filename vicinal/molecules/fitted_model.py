"""What MoleculeClassifier and MoleculeRegressor find in `fit`, and its file format."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch

from vicinal.core.estimators.model_files import (
    TensorOf,
    check_rows,
    check_tensors,
    decode_names,
    encode_names,
    network_tensors,
    restore_network,
)
from vicinal.core.estimators.supervised_model import SHARED, FittedModel
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.core.storage.schema import (
    Integer,
    ListOf,
    Nullable,
    Number,
    Object,
    Text,
)
from vicinal.molecules.baseline.conformal import conformal_factor
from vicinal.molecules.baseline.cross_validation import CrossValidation
from vicinal.molecules.baseline.error_scale import (
    ErrorScale,
    cross_fitted_scales,
    scales_to_arrays,
)
from vicinal.molecules.baseline.features import (
    NUM_BITS,
    DescriptorSet,
    descriptor_names,
)
from vicinal.molecules.baseline.files import (
    BASELINE,
    baseline_to_files,
    from_tensor,
    restore_baseline,
    restore_scales,
    to_tensor,
)
from vicinal.molecules.baseline.model import Baseline, MoleculeFeatures, Predictions
from vicinal.molecules.baseline.references import REFERENCES
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.graphs import ATOM_FEATURES, BOND_FEATURES
from vicinal.molecules.network.batches import MeanFeatures
from vicinal.molecules.network.model import (
    CONFIG,
    FoldNetworks,
    MoleculeNetworkConfig,
)
from vicinal.molecules.objective import (
    PlattScaling,
    check_classes,
    check_targets,
    is_regression,
    target_columns,
)
from vicinal.molecules.splits import parts_of_groups

MAX_FOLDS = 1000
"""networks of a model file"""

SCHEMA = Object(
    {
        **SHARED,
        "target_names": ListOf(Text(), 1, unique=True),
        "target_classes": ListOf(ListOf(Text(), 2, unique=True)),
        "descriptors": Text(("fast", "all")),
        "baseline": BASELINE,
        "scaling": ListOf(ListOf(Number(), 2, 2)),
        "network_scaling": ListOf(ListOf(Number(), 2, 2)),
        "outside": Number(0, 1),
        "num_test": Integer(0),
        "networks": Nullable(CONFIG),
        "num_networks": Integer(0, MAX_FOLDS),
        "network_weight": Number(0, 1),
    },
    more=True,
)
"""schema of model.json"""


class TestMolecules(NamedTuple):
    """The molecules of the test split."""

    __test__ = False  # no test of pytest

    smiles: np.ndarray
    targets: np.ndarray
    """[M, T]"""


@dataclass(frozen=True, kw_only=True)
class FittedMoleculeModel(FittedModel):
    """What MoleculeClassifier and MoleculeRegressor find in `fit`."""

    schema = SCHEMA
    has_constant_baseline = False

    target_names: tuple[str, ...]
    """[T]"""

    target_classes: tuple[tuple[str, ...], ...] = ()
    """[T] names of the classes of each; empty for regression"""

    descriptors: DescriptorSet
    baseline: Baseline
    network_scaling: tuple[PlattScaling, ...] = ()
    """[C] from mean logits of the networks to probabilities; empty for regression"""

    scaling: tuple[PlattScaling, ...]
    """[C] from means to probabilities; empty for regression"""

    networks: FoldNetworks | None = None
    """graph networks of the folds; None: the baseline predicts"""

    network_weight: float = 0.0
    """of the networks in the predictions, the rest being that of the baseline"""

    mean_features: MeanFeatures
    """of the atoms and bonds of training"""

    fold_predictions: np.ndarray
    """[N, C] what the whole model predicts for each molecule from the other folds"""

    fold_scales: np.ndarray
    """[N, C] sizes of the errors of these that are expected from the errors of other
    folds; 0 for classes"""

    error_scales: tuple[ErrorScale | None, ...] = ()
    """[C] sizes of errors for new molecules; None: the deviation of the process. Empty
    for classes"""

    smiles: np.ndarray
    """[N] of the training molecules, as they were given"""

    targets: np.ndarray
    """[N, T] of the training molecules"""

    cross_validation: CrossValidation
    outside: float
    """similarity to the nearest training molecule below which one is unlike them"""

    test: TestMolecules
    data: MoleculeTable | None = None
    """what `fit` was given; None after loading"""

    features: MoleculeFeatures | None = None
    split: np.ndarray
    """[N] train or test, of the molecules that `fit` was given"""

    @property
    def columns(self) -> np.ndarray:
        """Return the targets of the training molecules as columns [N, C]."""
        return target_columns(self.objective, self.targets)

    @property
    def fingerprints(self) -> np.ndarray:
        """Return the Morgan counts [S, NUM_BITS] of the support molecules.

        The similarities that are shown are theirs.
        """
        return self.baseline.support.counts[:, :NUM_BITS]

    @property
    def predicted_rows(self) -> np.ndarray:
        """Return the rows of the training molecules that other folds predict.

        All of them, unless there are fewer networks than folds.
        """
        return np.flatnonzero(~np.isnan(self.fold_predictions).all(axis=1))

    @property
    def parts(self) -> np.ndarray:
        """Return a part [N] of each training molecule, for cross-fitting.

        The folds; where fewer than three have predictions, parts of their groups.
        """
        found = self.cross_validation
        if len(np.unique(found.folds[self.predicted_rows])) >= MIN_PARTS:
            return found.folds
        return parts_of_groups(found.groups, self.predicted_rows, NUM_PARTS)

    def deviations(self, variance: np.ndarray) -> np.ndarray:
        """Return standard deviations [M, C] of predictions from variances.

        They are at least those of the surest twentieth in the cross-validation: the
        value of a training molecule is known too well only in that it was fitted.
        """
        known = self.cross_validation.baseline.variance
        least = [_quantile(column[~np.isnan(column)], 0.05) for column in known.T]
        return np.sqrt(np.maximum(variance, np.maximum(least, SMALLEST_VARIANCE)))

    def fit_error_scales(self, x: np.ndarray) -> dict[str, Any]:
        """Return the fields of the expected errors, of the present fold predictions.

        x: [N, D] scaled descriptors of the training molecules.
        """
        if not is_regression(self.objective):
            return {"fold_scales": np.zeros_like(self.fold_predictions)}
        errors = np.abs(self.columns - self.fold_predictions)
        deviations = self.deviations(self.cross_validation.baseline.variance)
        folds = self.parts
        found = [
            cross_fitted_scales(e, d, x, folds)
            for e, d in zip(errors.T, deviations.T, strict=True)
        ]
        return {
            "fold_scales": np.stack([scales for scales, _ in found], axis=1),
            "error_scales": tuple(fitted for _, fitted in found),
        }

    def expected_errors(self, variance: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the expected sizes of errors [M, C] for new molecules.

        variance: [M, C] of the process. x: [M, D] scaled descriptors.
        """
        deviations = self.deviations(variance)
        columns = zip(self.error_scales, deviations.T, strict=True)
        found = [d if scale is None else scale(d, x) for scale, d in columns]
        return np.stack(found, axis=1)

    @property
    def conformal_scores(self) -> np.ndarray:
        """Return errors over their expected sizes [N, C] in the cross-validation."""
        return np.abs(self.columns - self.fold_predictions) / self.fold_scales

    def half_widths_known(self, coverage: float) -> list[bool]:
        """Return whether each number [T] has intervals; nothing for classes."""
        if not is_regression(self.objective):
            return []
        scores = self.conformal_scores.T
        return [bool(np.isfinite(conformal_factor(k, coverage))) for k in scores]

    def half_widths(self, scales: np.ndarray, coverage: float) -> np.ndarray:
        """Return half the widths [M, C] of intervals with this coverage.

        scales: expected sizes of errors [M, C]. NaN where there are too few errors.
        """
        scores = self.conformal_scores.T
        factors = np.array([conformal_factor(column, coverage) for column in scores])
        factors[~np.isfinite(factors)] = np.nan
        return factors * scales

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        baseline, tensors = baseline_to_files(self.baseline)
        description = {
            **self.shared_description(),
            "target_names": list(self.target_names),
            "target_classes": [list(names) for names in self.target_classes],
            "descriptors": self.descriptors,
            "baseline": baseline,
            "scaling": [list(scale) for scale in self.scaling],
            "network_scaling": [list(scale) for scale in self.network_scaling],
            "outside": self.outside,
            "num_test": len(self.test.smiles),
            "networks": None,
            "num_networks": 0,
            "network_weight": self.network_weight,
        }
        found, test = self.cross_validation, self.test
        arrays = {
            "train.targets": self.targets,
            "folds": found.folds,
            "groups": found.groups,
            "fold_means": found.baseline.mean,
            "fold_variances": found.baseline.variance,
            "fold_references": found.references,
            "fold_predictions": self.fold_predictions,
            "fold_scales": self.fold_scales,
            "mean_atom": self.mean_features.atom,
            "mean_bond": self.mean_features.bond,
            "test.targets": test.targets,
        }
        width = len(self.baseline.scaler.center) + 1
        arrays |= scales_to_arrays(self.error_scales, width)
        tensors |= {k: to_tensor(array) for k, array in arrays.items()}
        tensors |= {
            "train.smiles": encode_names(self.smiles),
            "test.smiles": encode_names(test.smiles),
        }
        if self.networks is not None:
            description["networks"] = self.networks.config._asdict()
            description["num_networks"] = len(self.networks.networks)
            tensors |= network_tensors(self.networks)
        return description, tensors

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: Any
    ) -> Self:
        """Return the model that `to_files` described."""
        shared = cls.shared_fields(description)
        objective = shared["objective"]
        baseline = restore_baseline(description["baseline"], tensors)
        names = tuple(description["target_names"])
        classes = tuple(map(tuple, description["target_classes"]))
        num_columns = target_columns(objective, np.zeros((0, len(names)))).shape[1]
        check_targets(objective, names, classes)
        count = len(descriptor_names(description["descriptors"]))
        if len(baseline.scaler.kept) != count:
            raise ValueError(
                f"the model has {len(baseline.scaler.kept)} descriptors, and this "
                f"version of vicinal and RDKit computes {count}"
            )
        scaling, network_scaling = (
            tuple(PlattScaling(*pair) for pair in description[name])
            for name in ("scaling", "network_scaling")
        )
        if description["networks"] is not None and len(network_scaling) != len(scaling):
            raise ValueError("network_scaling must be as long as scaling")
        expected = 0 if is_regression(objective) else num_columns
        if (len(scaling), baseline.num_columns) != (expected, num_columns):
            raise ValueError(
                f"there must be {num_columns} processes and {expected} scalings. Got "
                f"{baseline.num_columns} and {len(scaling)}"
            )
        targets, test_targets, found, predicted, scales = _restore_arrays(
            tensors, len(names), num_columns
        )
        num_scales = num_columns if is_regression(objective) else 0
        error_scales = restore_scales(tensors, num_scales, baseline)
        if num_scales and not (scales[~np.isnan(scales)] > 0).all():
            raise ValueError("fold_scales must be above 0")
        smiles = _restore_smiles("train", tensors, len(targets))
        check_classes(classes, targets, test_targets)
        check_rows("baseline.rows", baseline.rows, len(smiles))
        return cls(
            **shared,
            target_names=names,
            target_classes=classes,
            descriptors=description["descriptors"],
            baseline=baseline,
            scaling=scaling,
            network_scaling=network_scaling,
            smiles=smiles,
            targets=targets,
            cross_validation=found,
            outside=description["outside"],
            networks=_restore_networks(description, tensors, baseline, objective),
            network_weight=description["network_weight"],
            fold_predictions=predicted,
            fold_scales=scales,
            error_scales=error_scales,
            mean_features=MeanFeatures(
                tensors["mean_atom"].numpy(), tensors["mean_bond"].numpy()
            ),
            test=TestMolecules(
                _restore_smiles("test", tensors, len(test_targets)), test_targets
            ),
            split=np.array([], dtype="U5"),
        )


MIN_PARTS, NUM_PARTS = 3, 5
"""parts that the cross-fitting of expected errors needs, and those that groups make"""

SMALLEST_VARIANCE = 1e-300
"""of a prediction, so that errors can be divided by its deviation"""


def _quantile(values: np.ndarray, q: float) -> float:
    return float(np.quantile(values, q)) if len(values) else 0.0


def _restore_arrays(
    tensors: Tensors, num_targets: int, num_columns: int
) -> tuple[np.ndarray, np.ndarray, CrossValidation, np.ndarray, np.ndarray]:
    """Return the targets, those of the test split, and the cross-validation.

    Also the predictions by other folds, and the expected sizes of their errors.
    """
    double, whole = (torch.float64,), (torch.int64,)
    expected = {
        "train.targets": TensorOf(double, ("molecules", num_targets)),
        "test.targets": TensorOf(double, ("tested", num_targets)),
        "folds": TensorOf(whole, ("molecules",)),
        "groups": TensorOf(whole, ("molecules",)),
        "fold_means": TensorOf(double, ("molecules", num_columns)),
        "fold_variances": TensorOf(double, ("molecules", num_columns)),
        "fold_predictions": TensorOf(double, ("molecules", num_columns)),
        "fold_scales": TensorOf(double, ("molecules", num_columns)),
        "mean_atom": TensorOf(double, (len(ATOM_FEATURES),)),
        "mean_bond": TensorOf(double, (len(BOND_FEATURES),)),
        "fold_references": TensorOf(
            double, (len(REFERENCES), "molecules", num_columns)
        ),
    }
    check_tensors(tensors, expected)
    train, test, means, variances, references, predicted, scales = (
        from_tensor(tensors[name])
        for name in (
            *("train.targets", "test.targets", "fold_means", "fold_variances"),
            *("fold_references", "fold_predictions", "fold_scales"),
        )
    )
    if (variances < 0).any():
        raise ValueError("fold_variances must be 0 or more")
    folds, groups = tensors["folds"].numpy(), tensors["groups"].numpy()
    check_rows("folds", folds, len(folds))
    check_rows("groups", groups, len(groups))
    found = CrossValidation(folds, groups, Predictions(means, variances), references)
    return train, test, found, predicted, scales


def _restore_networks(
    description: dict[str, Any],
    tensors: Tensors,
    baseline: Baseline,
    objective: Objective,
) -> FoldNetworks | None:
    """Return the networks; ValueError where they do not fit the baseline."""
    weight, count = description["network_weight"], description["num_networks"]
    given = description["networks"] is not None
    if not given == bool(weight) == bool(count):
        raise ValueError("networks, their number and their weight do not fit")
    if not given:
        return None
    config = MoleculeNetworkConfig(**description["networks"])
    descriptors = len(baseline.scaler.center)
    fits = config.descriptors in (0, descriptors)
    if not fits or config.outputs != objective.outputs:
        raise ValueError("the networks have other descriptors or targets")
    return restore_network(lambda: FoldNetworks(config, count), tensors)


def _restore_smiles(name: str, tensors: Tensors, count: int) -> np.ndarray:
    own = with_prefix(name, tensors)
    smiles = decode_names("smiles", own) if count else np.array([], dtype=object)
    if len(smiles) != count:
        raise ValueError(f"{name} must have {count:,} SMILES. Got {len(smiles):,}")
    return smiles
