"""MoleculeClassifier and MoleculeRegressor: predict properties of molecules.

A Gaussian process on fingerprints and descriptors is cross-validated first, with
similar molecules in one fold.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from torch import Tensor

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.estimators.model_choice import describe_choice
from vicinal.core.estimators.supervised import SupervisedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.settings import check_seed
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer_options import Checkpointing, never_stop
from vicinal.errors import DataError, NoDataError
from vicinal.molecules.baseline.cross_validation import CrossValidation
from vicinal.molecules.baseline.model import Baseline, MoleculeFeatures
from vicinal.molecules.baseline.references import REFERENCES, predict_by_references
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.new_data import known_columns, read_all
from vicinal.molecules.data.read import read_molecules
from vicinal.molecules.evaluation import Measured, evaluate_molecules
from vicinal.molecules.fitted_model import FittedMoleculeModel, TestMolecules
from vicinal.molecules.fitting import check_times, fit_baseline, sample_weights
from vicinal.molecules.inference.prediction import (
    MoleculePredictions,
    features_of,
    held_out_predictions,
    molecule_tensors,
    parse_molecules,
    predict_mols,
)
from vicinal.molecules.inference.tables import match_targets, predictions_frame
from vicinal.molecules.network.choice import NETWORKS
from vicinal.molecules.network.fold_training import (
    MIN_SECONDS,
    choose_predictions,
    note_networks,
    prepare_training,
    seconds_left,
)
from vicinal.molecules.network.layers import NAMES
from vicinal.molecules.network.model import FoldNetworks, describe_networks
from vicinal.molecules.network.training import embed
from vicinal.molecules.objective import make_objective
from vicinal.molecules.settings import MoleculeSettings
from vicinal.molecules.splits import molecule_groups

if TYPE_CHECKING:
    from vicinal.molecules.explain.explanation import MoleculeExplanation


MAX_PATH = 4096
"""characters of a path"""


class MoleculeEstimator(SupervisedEstimator):
    """Base of MoleculeClassifier and MoleculeRegressor."""

    settings_type = MoleculeSettings
    settings_: MoleculeSettings
    fitted_type = FittedMoleculeModel
    unit = "molecule"
    cpu_only = "molecules"
    baseline_name = "Gaussian process"

    model_: FittedMoleculeModel
    baseline_: Baseline
    cross_validation_: CrossValidation
    target_names_: tuple[str, ...]
    target_classes_: tuple[tuple[str, ...], ...]
    networks_: FoldNetworks | None
    split_: np.ndarray
    data_: MoleculeTable | None
    test_: TestMolecules

    # --- fit ---

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to molecules with targets, in any form that `read_molecules` takes.

        X: a path, a DataFrame, or a list of SMILES with targets y [N] or [N, T]. Rows
        that cannot be used are quarantined: a QuarantineWarning counts them, and
        `quarantine_` lists each with its reason.
        """
        return self.train_to_end(self.fit_epochs(X, y))

    def read(self, X: Any, y: Any = None, *, task: Any = "auto") -> MoleculeTable:
        """Return the molecules of X; DataError where their targets do not fit."""
        if isinstance(X, MoleculeTable):
            return X
        regression = self.estimator_type == "regressor"
        columns = self.validate_settings().columns()
        if regression or (columns.positive_class is not None and task == "auto"):
            task = "regression" if regression else "classification"
        found = read_molecules(X, y, task=task, columns=columns)
        if not regression and found.task == "regression":  # the numbers name classes
            found = read_molecules(X, y, task="classification", columns=columns)
        return found

    def read_to_evaluate(self, X: Any, y: Any = None) -> MoleculeTable:
        """Return molecules with the targets of the fitted model.

        Columns are those of training, as far as the data have them.
        """
        if isinstance(X, MoleculeTable):
            return X
        targets = () if y is not None else self.target_names_
        columns = known_columns(X, self.settings_, targets)
        task = "classification" if self.target_classes_ else "regression"
        return read_molecules(X, y, task=task, columns=columns)

    def check_data(self, data: MoleculeTable) -> None:
        """Raise SettingError or DataError before anything is computed."""
        super().check_data(data)
        if data.task == "none":
            raise DataError(
                "No column of targets is known. Name it with --target-columns."
            )
        check_times(data, self.validate_settings())
        make_objective(data)

    def fit_baseline(self, data: MoleculeTable) -> None:
        """Split the molecules, cross-validate the baseline and fit it to all."""
        self.check_data(data)
        self.model_ = fit_baseline(data, self.settings_, self.random_state)

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        features = self.model_.features
        if features is None:
            raise NoDataError("A loaded model does not contain its training data.")
        yield features.counts
        yield features.descriptors
        yield np.nan_to_num(self.model_.targets)
        yield self.split_

    # --- networks ---

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train networks for the folds, and use them if that is better."""
        settings, model = self.settings_, self.model_
        data, features = self._training_set()
        left = seconds_left(settings, started_at)
        if settings.network == "none":
            return
        if left < MIN_SECONDS:
            data.notes.append(
                f"no network was trained: {max(left, 0):.0f} seconds are left of the "
                "time limit; --minutes allows more"
            )
            return
        rows = np.flatnonzero(self.split_ == TRAIN)
        mols = [data.mols[k] for k in rows.tolist()]
        training = prepare_training(
            model,
            molecule_tensors(model, mols, features.rows(rows)),
            sample_weights(data)[rows],
            settings,
            self.random_state,
            started_at=started_at,
            checkpointing=Checkpointing(
                checkpoint,
                "" if checkpoint is None else self.fingerprint(),
                stop_requested,
            ),
        )
        yield from self.run_trainer(training.trainer)
        self.update(**choose_predictions(self.model_, training, settings.keep))
        data.notes.extend(note_networks(self.model_))

    def _training_set(self) -> tuple[MoleculeTable, MoleculeFeatures]:
        """Return what `fit` was given; NoDataError for a loaded model."""
        data, features = self.model_.data, self.model_.features
        if data is None or features is None:
            raise NoDataError("A loaded model does not contain its training data.")
        return data, features

    # --- predict ---

    def predict_mols(
        self, mols: Sequence[Any], features: MoleculeFeatures | None = None
    ) -> MoleculePredictions:
        """Return predictions for molecules of RDKit, with intervals and neighbours.

        features: those of the molecules, if they are known.
        """
        return predict_mols(self.model_, mols, self.settings_.coverage, features)

    def predict_values(self, X: Any) -> np.ndarray:
        """Return probabilities or numbers, as the objective gives them.

        X: a list of SMILES, or a `MoleculeTable`. Raises DataError for a structure that
        cannot be read.
        """
        self.check_fitted()
        return self.predict_mols(self.mols_of(X)).values

    def transform(self, X: Any) -> np.ndarray:
        """Return embeddings [M, D]: inputs of the last layers of all networks.

        Without networks: counts of substructures, and scaled descriptors.
        """
        self.check_fitted()
        mols, model = self.mols_of(X), self.model_
        features = features_of(model, mols)
        if model.networks is None:
            scaled = model.baseline.scaler(features.descriptors)
            return np.concatenate([features.counts, scaled], axis=1).astype(np.float32)
        return embed(model.networks, molecule_tensors(model, mols, features))

    def mols_of(self, X: Any) -> list[Any]:
        """Return the molecules of SMILES; DataError for one that cannot be read.

        X: SMILES, a list of them, a DataFrame, a path of a file, or a `MoleculeTable`.
        """
        if isinstance(X, MoleculeTable):
            return X.mols
        if hasattr(X, "columns") or _is_file(X):
            columns = replace(known_columns(X, self.settings_), target_columns=())
            return [row.mol for row in read_all(X, columns)]
        return parse_molecules([X] if isinstance(X, str) else list(X))

    def explain(
        self,
        X: str,
        target: str | None = None,
        *,
        seed: int = 0,
        alerts: bool = False,
    ) -> "MoleculeExplanation":
        """Explain the prediction for one molecule by the shares of its atoms.

        X: SMILES or InChI. target: a class, or one of several targets; None: the
        predicted class, or the first target. seed: of the random control. alerts: also
        compare with structural alerts. Raises DataError for a structure that cannot be
        read, ClassError for an unknown target.
        """
        from vicinal.molecules.explain.explanation import explain_molecule
        from vicinal.molecules.explain.parts import choose_explained

        self.check_fitted()
        check_seed(seed)
        (mol,) = self.mols_of([X])
        values = self.predict_mols([mol]).values
        explained = choose_explained(self.model_, target, int(values[0].argmax()))
        return explain_molecule(
            self.model_,
            mol,
            X,
            explained,
            explained.value_of(self.objective_, values),
            seed=seed,
            alerts=alerts,
        )

    # --- evaluate ---

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Evaluate on the test split, by cross-validation, or on other molecules.

        X: as for `fit`; None: the test split, if there is one, else the predictions of
        the cross-validation.
        """
        self.check_fitted()
        if X is not None:
            return self._evaluate(self.read_to_evaluate(X, y))
        model = self.model_
        if len(model.test.smiles):
            mols = self.mols_of(model.test.smiles)
            return self._evaluate_molecules(mols, model.test.smiles, model.test.targets)
        return self.cross_validated()

    def cross_validated(self) -> Evaluation:
        """Evaluate the predictions for training molecules by the other folds."""
        model, rows = self.model_, self.model_.predicted_rows
        found = held_out_predictions(model, self.settings_.coverage)
        folds, targets = model.cross_validation, model.targets[rows]
        frame = self.predictions_frame(model.smiles[rows], found, targets)
        frame.insert(1, "fold", folds.folds[rows])
        measured = Measured(targets, found.values, folds.groups[rows])
        references = dict(zip(REFERENCES, folds.references[:, rows], strict=True))
        found = evaluate_molecules(self.objective_, measured, references, frame)
        return replace(found, scored="cross-validation")

    def _evaluate(self, data: MoleculeTable) -> Evaluation:
        """Evaluate on a table; its targets are matched by name."""
        targets, notes = match_targets(self.model_, data)
        known = np.flatnonzero(~np.isnan(targets).all(axis=1))
        if data.split is not None and (data.split == TEST).any():
            known = known[data.split[known] == TEST]
            notes.append("only molecules of the test split are scored")
        if not len(known):
            raise DataError(
                f"No molecule has a target that the model knows: "
                f"{', '.join(self.target_names_)}."
            )
        mols = [data.mols[k] for k in known]
        smiles = np.array(data.smiles, dtype=object)[known]
        return self._evaluate_molecules(mols, smiles, targets[known], notes)

    def _evaluate_molecules(
        self,
        mols: Sequence[Any],
        smiles: np.ndarray,
        targets: np.ndarray,
        notes: list[str] | None = None,
    ) -> Evaluation:
        model, features = self.model_, features_of(self.model_, mols)
        predicted = self.predict_mols(mols, features)
        groups = molecule_groups(mols, self.settings_.grouping)
        references = predict_by_references(
            self._reference_features(), model.columns, features, model.descriptors
        )
        frame = self.predictions_frame(smiles, predicted, targets)
        return evaluate_molecules(
            self.objective_,
            Measured(targets, predicted.values, groups),
            dict(zip(REFERENCES, references, strict=True)),
            frame,
            notes,
        )

    def _reference_features(self) -> MoleculeFeatures:
        """Return the features of the training molecules."""
        if self.model_.features is not None:
            return self.model_.features.rows(np.flatnonzero(self.split_ == TRAIN))
        return features_of(self.model_, self.mols_of(self.model_.smiles))

    def predictions_frame(self, names: Any, predicted: Any, labels: Any = None) -> Any:
        """Return predictions as a table of a row per molecule.

        names: SMILES [M]. predicted: `MoleculePredictions`. labels: targets [M, T].
        """
        return predictions_frame(self.model_, names, predicted, labels)

    def score(self, X: Any = None, y: Any = None) -> float:
        """Return the AUROC of classes, or R^2 of numbers; the mean of several."""
        found = self.evaluate(X, y)
        if self.objective_.classes:
            return found.score.value
        return next(score.value for score in found.scores if score.metric == "r2")

    # --- describe ---

    @property
    def network_name(self) -> str:
        gine = self.settings_.network == "gine"
        return f"{NAMES['gine' if gine else 'dmpnn']}, without the molecules of a fold"

    @property
    def comparison_text(self) -> str:
        """Return how the networks compared with the baseline, in one sentence."""
        kept = bool(self.final_networks)
        better = kept and self.settings_.keep != "network"
        return describe_choice(self.comparison_, kept, better)

    @property
    def final_networks(self) -> list[Any]:
        """Return the networks that predict; none: the baseline does, alone."""
        networks = self.networks_
        return [] if networks is None else list(networks.networks)

    @property
    def model_description(self) -> str:
        """Return what predicts."""
        networks = self.networks_
        if networks is None:
            return super().model_description
        count = describe_networks(networks)
        if self.model_.network_weight < NETWORKS:
            return f"the average of the {self.baseline_name} and {count}"
        return count if len(networks.networks) == 1 else f"the average of {count}"

    @property
    def linear_description(self) -> str:
        """Return what the baseline is."""
        model = self.model_
        count = len(model.baseline.scaler.kept)
        return (
            f"fingerprints and {count} descriptors of {len(model.smiles):,} molecules"
        )


class MoleculeClassifier(MoleculeEstimator):
    """Predict the class of each molecule, for one target or several of two classes.

    >>> model = MoleculeClassifier().fit("bbbp.csv")
    >>> model = MoleculeClassifier().fit(["CCO", "c1ccccc1"], [0, 1])
    >>> model.predict_proba(["CCO"])

    After fit: `classes_` [K], `target_names_` [T], `cross_validation_`.
    """

    estimator_type = "classifier"

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities [M, K] in the order of `classes_`.

        Of several targets: [M, T], of the second class of each.
        """
        return self.predict_values(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class [M]; marks [M, T] of several targets."""
        return self.decide(self.predict_proba(X))


class MoleculeRegressor(MoleculeEstimator):
    """Predict a number, or several, for each molecule.

    >>> model = MoleculeRegressor(target_columns=("logS",)).fit("esol.csv")
    >>> model.predict(["CCO"])  # [M], or [M, T] for several targets
    """

    estimator_type = "regressor"

    def predict(self, X: Any) -> np.ndarray:
        """Return the number [M] or numbers [M, T] of each molecule."""
        return self.predict_values(X)

    def predict_interval(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper ends of the intervals, each [M] or [M, T].

        A new measurement of a molecule like those of training is inside with the
        probability `coverage`.
        """
        self.check_fitted()
        found = self.predict_mols(self.mols_of(X))
        assert found.half is not None  # the targets are numbers
        half = found.half.reshape(found.values.shape)
        return found.values - half, found.values + half


def _is_file(X: Any) -> bool:
    """Return whether X is the path of a file; a SMILES may be any text."""
    if isinstance(X, Path):
        return True
    return isinstance(X, str) and len(X) < MAX_PATH and Path(X).is_file()
