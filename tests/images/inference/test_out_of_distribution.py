"""Known by embedding and by surface: either raises the flag, at one rate together."""

from math import sqrt

import numpy as np
import pytest

from vicinal.core.evaluation.out_of_distribution import NearestNeighborDetector
from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.errors import ModelFileError
from vicinal.images.inference.out_of_distribution import (
    SURFACES,
    ImageFeatures,
    OutlierDetector,
)


def some(n: int, seed: int = 0) -> ImageFeatures:
    """Embeddings near a few directions, and surfaces, of n pictures."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).gamma(1.0, 1.0, (3, 6))
    z = centres[rng.integers(0, 3, n)] * rng.gamma(4.0, 0.25, (n, 6))
    return ImageFeatures(
        z.astype(np.float32), rng.normal(size=(n, 4)).astype(np.float32)
    )


def test_either_raises_the_flag():
    known = OutlierDetector.fit(some(400), 0.1, seed=0)
    new = some(200, seed=1)
    assert known.surfaces is not None
    by_z = known.embeddings.is_unknown(new.embeddings)
    by_surface = known.surfaces.is_unknown(new.surfaces)
    assert by_z.any() and by_surface.any() and not (by_z == by_surface).all()
    assert (known.is_unknown(new) == (by_z | by_surface)).all()
    assert known.is_unknown(ImageFeatures(new.embeddings, new.surfaces + 9)).all()
    assert known.is_unknown(ImageFeatures(-new.embeddings, new.surfaces)).all()


@pytest.mark.parametrize("false_alarm", [0.05, 0.2])
def test_together_they_keep_to_the_stated_rate(false_alarm):
    rates = []
    for seed in range(200):
        new = some(40, 3 * seed + 2)
        known, held_out = some(100, 3 * seed), some(99, 3 * seed + 1)
        found = OutlierDetector.fit(known, false_alarm, seed, held_out=held_out)
        rates.append(found.is_unknown(new).mean())
    margin = 3.5 * np.std(rates) / sqrt(len(rates))
    # independent here: 1 - (1 - 0.8 a)(1 - 0.2 a), rounded down to whole pictures
    share = SURFACES * false_alarm
    wanted = 1 - (1 - (false_alarm - share)) * (1 - np.floor(100 * share) / 100)
    assert abs(np.mean(rates) - wanted) < margin < 0.03


def test_too_few_to_tell():
    few = OutlierDetector.fit(some(12), 0.05, seed=0)
    assert not few.can_tell and not few.is_unknown(some(50, seed=1)).any()
    some_more = OutlierDetector.fit(some(60), 0.05, seed=0)  # enough for one of the two
    assert some_more.can_tell and some_more.surfaces is not None
    assert some_more.surfaces.threshold == np.inf


def test_saved_and_loaded_it_is_the_same(tmp_path):
    known, new = OutlierDetector.fit(some(90), 0.2, seed=0), some(50, seed=1)
    save_tensors(tmp_path / "known.safetensors", *known.to_arrays())
    tensors, values = load_tensors(tmp_path / "known.safetensors")
    again = OutlierDetector.from_arrays(tensors, values)
    assert again.false_alarm == 0.2
    assert (again.is_unknown(new) == known.is_unknown(new)).all()
    with pytest.raises(ModelFileError, match="'embeddings'"):
        OutlierDetector.from_arrays(tensors, {"false_alarm": 0.2})
    for missing in ("scale", "threshold"):
        some_of = {k: t for k, t in tensors.items() if k != f"surfaces.{missing}"}
        with pytest.raises(ModelFileError, match=f"'{missing}'"):
            OutlierDetector.from_arrays(some_of, values)


def test_what_was_written_before_surfaces_counted():
    new = some(50, seed=1)
    before = NearestNeighborDetector.fit(some(90).embeddings, 0.2)
    again = OutlierDetector.from_arrays(*before.to_arrays())
    assert again.false_alarm == 0.2 and again.can_tell
    wanted = before.is_unknown(new.embeddings)
    assert (again.is_unknown(new) == wanted).all() and wanted.any()
    once_more = OutlierDetector.from_arrays(*again.to_arrays())
    assert (once_more.is_unknown(new) == wanted).all()
