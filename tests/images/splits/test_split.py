"""The user's own parts are kept; ours are stratified, seeded and honest."""

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
from vicinal.images.splits.split import divide, given_parts, grouped, with_validation

HALF = Fractions(0.5, 0.25, 0.25)


def pictures_of(labels: Sequence[Any], contents: Sequence[int] = ()) -> ImageDataset:
    """Pictures with these labels; those of the same content are copies."""
    numbers = np.array(contents or range(len(labels)))
    pixels = np.zeros((len(labels), 4, 4), dtype=np.uint8)
    pixels[:, 0, 0], pixels[:, 0, 1] = numbers % 256, numbers // 256
    table = read_images(pixels, list(labels))
    return load_dataset(table, ImageReader(4))[1]


def table_of(split: list[str] | None) -> ImageTable:
    n = 4 if split is None else len(split)
    names = [f"{k}.png" for k in range(n)]
    parts = None if split is None else np.array(split)
    return ImageTable(names, np.array(["a", "b"] * n)[:n], split=parts)


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        (None, [TRAIN] * 4),
        (["", "test", "", "val"], [TRAIN, TEST, TRAIN, VAL]),
        (["val", "", "val"], [VAL, TRAIN, VAL]),
        (["test"], [TEST]),
    ],
)
def test_what_the_user_said_and_train_where_not(split, parts):
    got = given_parts(table_of(split))
    assert got.tolist() == parts
    got[:] = TRAIN[:5]  # a name of five letters fits, also where all were shorter
    assert (got == TRAIN).all()


def test_shares_are_those_asked_for_in_every_class():
    labels = ["a"] * 40 + ["b"] * 20 + ["c"] * 80
    parts = divide(pictures_of(labels), HALF, 0)
    got = Counter(zip(labels, parts.tolist(), strict=True))
    for name, n in (("a", 40), ("b", 20), ("c", 80)):
        assert [got[name, p] for p in (TRAIN, VAL, TEST)] == [n // 2, n // 4, n // 4]


def test_the_seed_decides():
    pictures = pictures_of(["a", "b"] * 30)
    first, again, other = (divide(pictures, HALF, k).tolist() for k in (7, 7, 8))
    assert first == again and first != other


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 12)), min_size=2, max_size=40
    ),
    seed=st.integers(0, 10**6),
)
def test_copies_are_on_one_side_and_every_class_can_be_learned(rows, seed):
    rows = [(name, 2 * k + (name == "b")) for name, k in rows]  # copies agree
    labels, contents = [name for name, _ in rows], [k for _, k in rows]
    parts = divide(pictures_of(labels, contents), HALF, seed)
    sides = set(zip(contents, parts.tolist(), strict=True))
    assert len(sides) == len(set(contents))
    learned = {k for k, p in zip(labels, parts, strict=True) if p == TRAIN}
    assert learned == set(labels)


@settings(max_examples=40, deadline=None)
@given(
    said=st.lists(st.sets(st.sampled_from("abcd")), min_size=4, max_size=30),
    seed=st.integers(0, 10**6),
)
def test_of_several_labels_none_is_held_out_that_train_lacks(said, seed):
    labels = [sorted(names) for names in said]
    parts = divide(pictures_of(labels), HALF, seed)
    learned = {k for its, p in zip(said, parts, strict=True) if p == TRAIN for k in its}
    assert learned == set().union(*said)


def test_numbers_are_divided_without_classes():
    parts = divide(pictures_of([k / 7 for k in range(40)]), HALF, 0)
    assert Counter(parts.tolist()) == {TRAIN: 20, VAL: 10, TEST: 10}


def test_a_validation_part_is_taken_from_train_alone():
    pictures = pictures_of(["a", "b"] * 20)
    parts = np.array([TRAIN] * 30 + [TEST] * 10, dtype="U5")
    before = parts.copy()
    got = with_validation(parts, pictures, 0.2, 0)
    assert (parts == before).all()  # what was given stays as it was
    assert (got[30:] == TEST).all()
    assert Counter(got[:30].tolist()) == {TRAIN: 24, VAL: 6}
    made = np.flatnonzero(got == VAL)
    assert Counter(made % 2) == {0: 3, 1: 3}  # of both classes


def test_a_validation_part_that_is_there_stays():
    parts = np.array([VAL] + [TRAIN] * 9, dtype="U5")
    got = with_validation(parts, pictures_of(["a", "b"] * 5), 0.5, 0)
    assert got.tolist() == parts.tolist()


def test_no_validation_part_where_none_is_wanted_or_can_be():
    parts = np.full(10, TRAIN)
    pictures = pictures_of(["a", "b"] * 5)
    assert (with_validation(parts, pictures, 0.0, 0) == TRAIN).all()
    alone = pictures_of(["a", "b"])
    assert (with_validation(parts[:2], alone, 0.5, 0) == TRAIN).all()


def test_copies_are_not_validated_on():
    contents = [k // 3 for k in range(30)]
    labels = [["a", "b"][k // 3 % 2] for k in range(30)]
    pictures = pictures_of(labels, contents)
    got = with_validation(np.full(30, TRAIN), pictures, 0.3, 1)
    assert (got == VAL).any()
    for k in range(0, 30, 3):
        assert len(set(got[k : k + 3])) == 1


# --- groups ------------------------------------------------------------------------


def test_near_copies_and_a_pattern_stay_on_one_side(tmp_path):
    rng, root = np.random.default_rng(0), tmp_path / "data"
    for k in range(18):
        place = root / f"p{k // 6}"
        place.mkdir(parents=True, exist_ok=True)
        detail = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
        photo = Image.fromarray(detail).resize((120, 120), Image.Resampling.BICUBIC)
        photo.save(place / f"{k % 6}.png")
        again = photo.resize((100, 100))  # once more, smaller and encoded anew
        again.save(place / f"copy-of-{k % 6}.jpg", quality=85)
    pictures = load_dataset(read_images(root), ImageReader(96))[1]
    names = [Path(name) for name in pictures.table.names]
    plain = grouped(pictures, near=False, pattern=None).together
    near = grouped(pictures, near=True, pattern=None).together
    both = grouped(pictures, near=True, pattern=r"^p(\d)/.*[0-2]\.").together
    assert len(set(plain)) == 36 and len(set(near)) == 18
    for row, name in enumerate(names):
        twin = names.index(name.with_name(f"{name.stem[-1]}.png"))
        assert near[row] == near[twin] and both[row] == both[twin]
    assert len(set(both)) == 3 * (3 + 1)
    parts = divide(
        grouped(pictures, near=True, pattern=None), Fractions(0.5, 0.2, 0.3), 0
    )
    for group in set(near):
        assert len(set(parts[near == group])) == 1


def test_small_pictures_are_not_looked_at_for_near_copies():
    x = np.repeat(np.random.default_rng(0).integers(0, 255, (20, 8, 8)), 2, axis=0)
    x[::2, 0, 0] += 1
    pictures = load_dataset(read_images(x.astype(np.uint8)), ImageReader(8))[1]
    assert len(set(grouped(pictures, near=True, pattern=None).together)) == 40
