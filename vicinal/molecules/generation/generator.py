"""MoleculeGenerator: new molecules from the fragments of known ones."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.runtime import Runtime, seed_for
from vicinal.core.data.quarantine import warn_quarantined
from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.core.estimators.fitted_estimator import FittedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.settings import check_seed, is_integer
from vicinal.core.text import format_percent, pluralize
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer import Trainer
from vicinal.core.training.trainer_options import (
    Checkpointing,
    TrainerOptions,
    never_stop,
)
from vicinal.errors import DataError, NoteWarning, SettingError
from vicinal.molecules.generation.corpus import (
    MoleculeCorpus,
    draw_orders,
    read_corpus,
    sequences_of,
    split_molecules,
)
from vicinal.molecules.generation.evaluation.likelihood import (
    METRIC,
    evaluate_likelihood,
)
from vicinal.molecules.generation.fitted_generator import FittedGenerator
from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.cores import read_core, without_points
from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.extension import extend
from vicinal.molecules.generation.model.network import (
    FragmentNetwork,
    FragmentNetworkConfig,
)
from vicinal.molecules.generation.model.training import (
    EPOCHS,
    LR,
    BoundNetwork,
    MeanLoss,
    compare_with_counts,
    sequence_loader,
    validation_loss,
)
from vicinal.molecules.generation.optimisation.objectives import (
    Objective,
    read_objective,
)
from vicinal.molecules.generation.optimisation.search import (
    Search,
    SearchResult,
    SearchSettings,
)
from vicinal.molecules.generation.optimisation.start import (
    random_start,
    starting_molecules,
)
from vicinal.molecules.generation.sampling import Limits, Sampler, check_temperature
from vicinal.molecules.generation.selection import Selection, sample_matching
from vicinal.molecules.generation.settings import GeneratorSettings
from vicinal.molecules.settings import MoleculeColumns


class MoleculeGenerator(FittedEstimator):
    """Learns how fragments follow each other in molecules, and makes new ones.

    Every molecule is valid: fragments are joined only at single bonds that were cut.
    """

    settings_type = GeneratorSettings
    fitted_type = FittedGenerator
    unit = "molecule"
    baseline_name = "counts of fragments"
    cpu_only = "generators"

    settings_: GeneratorSettings
    model_: FittedGenerator
    split_: np.ndarray

    # --- fit ---

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from structures: a list, a path or a DataFrame; y is not used."""
        for _ in self.fit_epochs(X):
            pass
        return self

    def fit_epochs(
        self,
        X: Any,
        *,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records: the network is used after the last.

        The counts are made before it returns. checkpoint: a file to save to, and to
        resume from.
        """
        started_at = time.monotonic()
        self.start_fit()
        data = self.read(X)
        warn_quarantined(data.quarantined, "row")
        self.fit_baseline(data)
        return self.train_network(started_at, checkpoint, stop_requested)

    def read(self, X: Any) -> MoleculeCorpus:
        """Return the molecules of X, cut into fragments."""
        names = self.validate_settings().smiles_columns
        return read_corpus(X, MoleculeColumns(smiles_columns=names, target_columns=()))

    def fit_baseline(self, data: MoleculeCorpus) -> None:
        """Split the molecules, and count the fragments of the train split."""
        settings, seed = self.settings_, self.random_state
        fractions = settings.val_fraction, settings.test_fraction
        split = split_molecules(len(data), *fractions, seed_for(seed, 1))
        trees = [data.trees[k] for k in np.flatnonzero(split == TRAIN)]
        vocabulary = Vocabulary.from_molecules(trees, settings.min_count)
        covered = [tree for tree in trees if vocabulary.covers(tree)]
        if all(len(tree.fragments) == 1 for tree in trees):
            raise DataError(
                "No training molecule can be cut into fragments: none has a ring with "
                "a substituent, or a heteroatom within a chain. Use other molecules."
            )
        if not covered or not vocabulary.num_joining:
            raise DataError(
                f"No molecule consists of fragments that occur {settings.min_count} "
                "times or more. Use more molecules, or lower --min-count."
            )
        orders = draw_orders(covered, vocabulary, settings.orders, seed_for(seed, 2))
        self.model_ = FittedGenerator(
            counts=FragmentCounts.from_sequences(orders, vocabulary),
            smiles=np.array(data.smiles, dtype=object),
            split=split,
            prints=data.prints,
            coverage=len(covered) / len(trees),
            quarantine=data.quarantined,
            corpus=data,
            sequences=Sequences.concatenate(orders, vocabulary),
        )

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train a network to correct the counts, and keep it if it does.

        started_at: `time.monotonic()` at which the minutes began. checkpoint: a file to
        save to, and to resume from.
        """
        settings, model = self.settings_, self.model_
        if settings.network == "none":
            return
        sequences = model.training_sequences
        vocabulary = model.vocabulary
        config = FragmentNetworkConfig(
            len(vocabulary),
            vocabulary.num_joining,
            vocabulary.num_contexts,
            settings.hidden,
            settings.layers,
            settings.heads,
            settings.dropout,
        )
        torch.manual_seed(seed_for(self.random_state, 3))
        network = FragmentNetwork(config)
        trainer = Trainer(
            model=BoundNetwork(network, model.counts, sequences),
            loader=sequence_loader(
                sequences, settings.batch_size, seed_for(self.random_state, 4)
            ),
            objective=MeanLoss(),
            settings=settings.for_trainer(
                epochs=settings.epochs or EPOCHS,
                lr=settings.lr or LR,
                minutes=settings.training_minutes,
            ),
            runtime=Runtime(deterministic=settings.deterministic),
            validate=validation_loss(network, model.counts, self.sequences_of(VAL)),
            options=TrainerOptions(
                seed=seed_for(self.random_state, 5),
                time_limited=settings.time_limit is not None,
                started_at=started_at,
                select_by_loss=True,
            ),
            checkpointing=Checkpointing(
                checkpoint,
                "" if checkpoint is None else self.fingerprint(),
                stop_requested,
            ),
        )
        yield from self.run_trainer(trainer)
        self._keep_if_better(network)

    def _keep_if_better(self, network: FragmentNetwork) -> None:
        """Use the network if molecules of the validation split are likelier with it."""
        sequences, counts = self.sequences_of(VAL), self.model_.counts
        always = self.settings_.keep == "network"
        if not len(sequences):
            self.update(network=network if always else None, untested=True)
            return
        comparison = compare_with_counts(network, counts, sequences)
        kept = network if always or comparison.better else None
        self.update(network=kept, comparison=comparison)

    @property
    def fingerprint_texts(self) -> list[str]:
        model = self.model_
        return [*model.vocabulary.fragments, *model.smiles, *model.split]

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        sequences = self.model_.training_sequences
        yield from (sequences.tokens, sequences.parents, sequences.sites)

    # --- describe ---

    @property
    def validation_metric(self) -> str:
        return METRIC

    @property
    def network_name(self) -> str:
        """Return the kind of network that is trained."""
        settings = self.settings_
        layers = pluralize(settings.layers, "layer")
        return f"graph transformer of {layers} with {settings.hidden} features"

    @property
    def linear_description(self) -> str:
        """Return the size of the vocabulary, and what it covers."""
        model = self.model_
        return (
            f"{pluralize(len(model.vocabulary.fragments), 'fragment')}, of which "
            f"{format_percent(model.coverage)} of the training molecules consist"
        )

    # --- held-out molecules ---

    @property
    def has_test_molecules(self) -> bool:
        """Return whether a molecule of the test split can be scored."""
        return len(self.sequences_of(TEST)) > 0

    def evaluate(self, X: Any = None) -> Evaluation:
        """Return how likely molecules are, beside the null models.

        X: as for `fit`, or a `MoleculeCorpus`; None: the test split. DataError where
        none can be scored.
        """
        self.check_fitted()
        model = self.model_
        if X is None:
            smiles = model.smiles[model.split == TEST].tolist()
        elif isinstance(X, MoleculeCorpus):
            smiles = X.smiles
        else:
            smiles = self.read(X).smiles
        return evaluate_likelihood(model, smiles, seed_for(self.random_state, 6))

    def sequences_of(self, split: str) -> Sequences:
        """Return an order of growth of each molecule of a split, as far as covered."""
        model = self.model_
        own = model.smiles[model.split == split]
        seed = seed_for(self.random_state, 6)
        return sequences_of(own, model.vocabulary, seed)[1]

    # --- new molecules ---

    def sampler(
        self, temperature: float = 1.0, limits: Limits | None = None
    ) -> Sampler:
        """Return a sampler."""
        self.check_fitted()
        return Sampler(self.model_.counts, self.model_.network, temperature, limits)

    def sample(
        self,
        n: int = 100,
        *,
        temperature: float = 1.0,
        min_weight: float | None = None,
        max_weight: float | None = None,
        unique: bool = False,
        novel: bool = False,
        random_state: int = 0,
    ) -> list[str]:
        """Return canonical SMILES of n molecules.

        temperature: above 0; below 1 likely fragments are preferred. min_weight,
        max_weight: of molecules, in g/mol. unique: none twice. novel: none of the
        molecules that `fit` was given. Fewer, with a NoteWarning, where too few meet
        these conditions; DataError where none does.
        """
        self.check_fitted()
        wanted = Selection(
            min_weight=min_weight,
            max_weight=max_weight,
            unique=unique,
            novel=novel,
            known=self.model_.known_smiles,
        )
        generator = _generator(n, temperature, random_state)
        sampler = self.sampler(temperature)
        return sample_matching(lambda size: sampler.sample(size, generator), n, wanted)

    def grow(
        self,
        core: str,
        n: int = 100,
        *,
        temperature: float = 1.0,
        min_weight: float | None = None,
        max_weight: float | None = None,
        unique: bool = False,
        novel: bool = False,
        random_state: int = 0,
    ) -> list[str]:
        """Return canonical SMILES of n molecules that contain a core.

        core: SMILES with ``*`` at each point where fragments are added, such as
        ``c1ccc(*)cc1``. The other arguments are those of `sample`. Raises DataError for
        a core without such a point, or that is no molecule.
        """
        self.check_fitted()
        own = read_core(core)
        tree, model = cut_molecule(own), self.model_
        extended = extend(model.counts, model.network, tree.fragments)
        sampler = Sampler(extended.counts, extended.network, temperature)
        generator = _generator(n, temperature, random_state)
        start = grow_from(tree, 0)

        def draw(size: int) -> list[str]:
            grown = sampler.grow([start] * size, generator)
            return [join_tokens(*growth) for growth in grown]

        wanted = Selection(
            min_weight=min_weight,
            max_weight=max_weight,
            unique=unique,
            novel=novel,
            pattern=without_points(own),
            known=model.known_smiles,
        )
        return sample_matching(draw, n, wanted)

    def optimise(
        self,
        objective: str | Objective | Sequence[str | Objective],
        budget: int = 3000,
        *,
        start: Sequence[str] | None = None,
        min_weight: float | None = None,
        max_weight: float | None = None,
        novel: bool = False,
        random_state: int = 0,
        report_progress: Callable[[int, int], None] | None = None,
        **settings: Any,
    ) -> SearchResult:
        """Search for molecules with high scores; see `Search`.

        objective: qed, logp, similarity:SMILES, or a function of molecules of RDKit,
        such as `lower_bound(model)`; several: each molecule gets a score for each, and
        the best are those that no other dominates. budget: different molecules that
        are scored at most. start: SMILES to start from; None: 100 training molecules.
        min_weight, max_weight: of the molecules that are scored, in g/mol. novel: none
        of the molecules that `fit` was given is returned. report_progress: called with
        (molecules scored, budget). settings: of `SearchSettings`.

        A NoteWarning is issued where the best are variants of one another, where
        starting molecules are left out, and where molecules have no score. Raises
        SettingError and DataError for wrong arguments, an objective that does not
        return a score for each molecule, and where no molecule meets the conditions.
        """
        self.check_fitted()
        check_seed(random_state, "random_state")
        model, options = self.model_, SearchSettings(budget=budget, **settings)
        if options.use_network and model.network is None:
            raise SettingError(
                "use_network: this generator has no network, only counts (none was "
                "trained, or the counts predicted as well)."
            )
        wanted = Selection(
            min_weight=min_weight,
            max_weight=max_weight,
            novel=novel,
            known=model.known_smiles,
        )
        search = Search(
            model.counts,
            model.network,
            read_objective(objective),
            options,
            int(random_state),
            wanted,
        )
        if start is None:
            known = sorted(model.training_smiles)
            smiles = random_start(known, search.settings, wanted, int(random_state))
        else:
            smiles = starting_molecules(start, search.settings, wanted)
        found = search.run(smiles, report_progress).select(wanted)
        if found.num_unscored:
            warnings.warn(
                f"{pluralize(found.num_unscored, 'molecule')} without a finite score "
                "left out",
                NoteWarning,
                stacklevel=2,
            )
        if found.collapsed:
            warnings.warn(
                f"the best molecules are variants of one another (diversity "
                f"{found.diversity:.2f}): start from others, or from more",
                NoteWarning,
                stacklevel=2,
            )
        return found


def _generator(n: int, temperature: float, seed: int) -> torch.Generator:
    """Return a source of random numbers; SettingError for a wrong argument."""
    if not is_integer(n, 1):
        raise SettingError(f"n must be a whole number, 1 or more. Got {n!r} instead.")
    check_temperature(temperature)
    check_seed(seed, "random_state")
    return torch.Generator().manual_seed(int(seed))
