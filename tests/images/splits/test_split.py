"""Given splits are kept; ours are stratified, seeded and keep groups together."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vicinal.core.data.splits import TEST, TRAIN, VAL, Fractions
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.splits.split import (
    MAX_IMAGES,
    add_validation_split,
    given_split,
    near_duplicate_timer,
    split_dataset,
    with_groups,
)

HALF = Fractions(0.5, 0.25, 0.25)


def dataset_of(labels: Sequence[Any], contents: Sequence[int] = ()) -> ImageDataset:
    """Make images with these labels; equal contents make exact duplicates."""
    numbers = np.array(contents or range(len(labels)))
    pixels = np.zeros((len(labels), 4, 4), dtype=np.uint8)
    pixels[:, 0, 0], pixels[:, 0, 1] = numbers % 256, numbers // 256
    table = read_images(pixels, list(labels))
    return load_dataset(table, ImageReader(4))[1]


def table_of(split: list[str] | None) -> ImageTable:
    n = 4 if split is None else len(split)
    names = [f"{k}.png" for k in range(n)]
    splits = None if split is None else np.array(split)
    return ImageTable(names, np.array(["a", "b"] * n)[:n], split=splits)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (None, [TRAIN] * 4),
        (["", "test", "", "val"], [TRAIN, TEST, TRAIN, VAL]),
        (["val", "", "val"], [VAL, TRAIN, VAL]),
        (["test"], [TEST]),
    ],
)
def test_given_split_is_train_where_none_is_given(split, expected):
    got = given_split(table_of(split))
    assert got.tolist() == expected
    got[:] = TRAIN[:5]  # a name of five letters fits even if all were shorter
    assert (got == TRAIN).all()


def test_fractions_hold_in_every_class():
    labels = ["a"] * 40 + ["b"] * 20 + ["c"] * 80
    splits = split_dataset(dataset_of(labels), HALF, 0)
    got = Counter(zip(labels, splits.tolist(), strict=True))
    for name, n in (("a", 40), ("b", 20), ("c", 80)):
        assert [got[name, p] for p in (TRAIN, VAL, TEST)] == [n // 2, n // 4, n // 4]


def test_the_seed_determines_the_split():
    dataset = dataset_of(["a", "b"] * 30)
    first, again, other = (split_dataset(dataset, HALF, k).tolist() for k in (7, 7, 8))
    assert first == again and first != other


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 12)), min_size=2, max_size=40
    ),
    seed=st.integers(0, 10**6),
)
def test_duplicates_stay_in_one_split_and_every_class_is_in_train(rows, seed):
    rows = [
        (name, 2 * k + (name == "b")) for name, k in rows
    ]  # duplicates have one label
    labels, contents = [name for name, _ in rows], [k for _, k in rows]
    splits = split_dataset(dataset_of(labels, contents), HALF, seed)
    pairs = set(zip(contents, splits.tolist(), strict=True))
    assert len(pairs) == len(set(contents))
    in_train = {k for k, p in zip(labels, splits, strict=True) if p == TRAIN}
    assert in_train == set(labels)


@settings(max_examples=40, deadline=None)
@given(
    label_sets=st.lists(st.sets(st.sampled_from("abcd")), min_size=4, max_size=30),
    seed=st.integers(0, 10**6),
)
def test_every_class_of_several_labels_is_in_train(label_sets, seed):
    labels = [sorted(names) for names in label_sets]
    splits = split_dataset(dataset_of(labels), HALF, seed)
    in_train = {
        name
        for names, p in zip(label_sets, splits, strict=True)
        if p == TRAIN
        for name in names
    }
    assert in_train == set().union(*label_sets)


def test_numeric_labels_are_split_at_random():
    splits = split_dataset(dataset_of([k / 7 for k in range(40)]), HALF, 0)
    assert Counter(splits.tolist()) == {TRAIN: 20, VAL: 10, TEST: 10}


def test_validation_split_is_taken_from_train_only():
    dataset = dataset_of(["a", "b"] * 20)
    splits = np.array([TRAIN] * 30 + [TEST] * 10, dtype="U5")
    before = splits.copy()
    got = add_validation_split(splits, dataset, 0.2, 0)
    assert (splits == before).all()  # the argument is not modified
    assert (got[30:] == TEST).all()
    assert Counter(got[:30].tolist()) == {TRAIN: 24, VAL: 6}
    val = np.flatnonzero(got == VAL)
    assert Counter(val % 2) == {0: 3, 1: 3}  # of both classes


def test_existing_validation_split_is_kept():
    splits = np.array([VAL] + [TRAIN] * 9, dtype="U5")
    got = add_validation_split(splits, dataset_of(["a", "b"] * 5), 0.5, 0)
    assert got.tolist() == splits.tolist()


def test_no_validation_split_for_fraction_0_or_too_few_images():
    splits = np.full(10, TRAIN)
    dataset = dataset_of(["a", "b"] * 5)
    assert (add_validation_split(splits, dataset, 0.0, 0) == TRAIN).all()
    alone = dataset_of(["a", "b"])
    assert (add_validation_split(splits[:2], alone, 0.5, 0) == TRAIN).all()


def test_duplicates_stay_out_of_the_validation_split():
    contents = [k // 3 for k in range(30)]
    labels = [["a", "b"][k // 3 % 2] for k in range(30)]
    dataset = dataset_of(labels, contents)
    got = add_validation_split(np.full(30, TRAIN), dataset, 0.3, 1)
    assert (got == VAL).any()
    for k in range(0, 30, 3):
        assert len(set(got[k : k + 3])) == 1


# --- groups ------------------------------------------------------------------------


def test_near_duplicates_and_pattern_groups_stay_in_one_split(tmp_path):
    rng, root = np.random.default_rng(0), tmp_path / "data"
    for k in range(18):
        patient = root / f"p{k // 6}"
        patient.mkdir(parents=True, exist_ok=True)
        detail = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
        make_photo = Image.fromarray(detail).resize(
            (120, 120), Image.Resampling.BICUBIC
        )
        make_photo.save(patient / f"{k % 6}.png")
        again = make_photo.resize((100, 100))  # a smaller copy, saved as JPEG
        again.save(patient / f"copy-of-{k % 6}.jpg", quality=85)
    dataset = load_dataset(read_images(root), ImageReader(96))[1]
    names = [Path(name) for name in dataset.table.names]
    plain = with_groups(dataset, near=False, pattern=None).groups
    near = with_groups(dataset, near=True, pattern=None).groups
    both = with_groups(dataset, near=True, pattern=r"^p(\d)/.*[0-2]\.").groups
    assert len(set(plain)) == 36 and len(set(near)) == 18
    for row, name in enumerate(names):
        twin = names.index(name.with_name(f"{name.stem[-1]}.png"))
        assert near[row] == near[twin] and both[row] == both[twin]
    assert len(set(both)) == 3 * (3 + 1)
    splits = split_dataset(
        with_groups(dataset, near=True, pattern=None), Fractions(0.5, 0.2, 0.3), 0
    )
    for group in set(near):
        assert len(set(splits[near == group])) == 1


def test_near_duplicates_of_small_images_are_not_searched():
    x = np.repeat(np.random.default_rng(0).integers(0, 255, (20, 8, 8)), 2, axis=0)
    x[::2, 0, 0] += 1
    dataset = load_dataset(read_images(x.astype(np.uint8)), ImageReader(8))[1]
    assert len(set(with_groups(dataset, near=True, pattern=None).groups)) == 40


def test_images_that_are_not_searched_take_no_time():
    """None can be opened, they are too small, or there are too many."""
    reader = ImageReader(64)
    assert near_duplicate_timer(table_of(None), reader, 100) == 0
    pixels = np.random.default_rng(0).integers(0, 256, (8, 64, 64)).astype(np.uint8)
    table = read_images(pixels, [*"abababab"])
    assert near_duplicate_timer(table, ImageReader(32), 100) == 0
    assert near_duplicate_timer(table, reader, MAX_IMAGES + 1) == 0
    assert near_duplicate_timer(table, reader, 100) > 0
