"""Planted near duplicates are found; images that are merely similar are not."""

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from vicinal.errors import DataError
from vicinal.images.data.audit import ImageReader, duplicate_groups
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import ImageTable
from vicinal.images.splits import near_duplicates
from vicinal.images.splits.alignment import align, align_and_compare, detail_correlation
from vicinal.images.splits.candidates import (
    MAX_FEATURE_NEIGHBORS,
    feature_candidates,
    fingerprints,
    hash_candidates,
    perceptual_hashes,
)
from vicinal.images.splits.near_duplicates import (
    MIN_SIMILARITY,
    find_near_duplicates,
    near_duplicate_groups,
    note_large_groups,
    search_seconds,
    similarity_threshold,
)
from vicinal.images.splits.thumbnails import downscale, resampling_weights

SHARED = Path(__file__).parents[3].parent / "shared"

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def make_photo(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """Make a synthetic photograph: 1/f noise, discs and grain."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    spectrum = 1 / (np.hypot(fy, fx) + 1 / width) ** 1.3
    noise = rng.normal(size=(3, height, width)) + rng.normal(size=(height, width))
    pixels = np.fft.ifft2(np.fft.fft2(noise) * spectrum).real
    pixels = 120 + 45 * pixels / pixels.std()
    y, x = np.mgrid[:height, :width]
    for _ in range(4):
        cy, cx, radius = rng.uniform(0, (height, width, 50))
        pixels[:, np.hypot(y - cy, x - cx) < radius] += rng.normal(0, 40, (3, 1))
    pixels += rng.normal(0, 3, pixels.shape)
    return Image.fromarray(np.moveaxis(pixels, 0, 2).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 90) -> Image.Image:
    """Save and reload an image as JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def resize(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)))


def crop(image: Image.Image, fraction: float, rng: np.random.Generator) -> Image.Image:
    """Crop a fraction of both sides, at a random position."""
    width, height = (
        round(image.width * (1 - fraction)),
        round(image.height * (1 - fraction)),
    )
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def brighten(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


CHANGES: dict[str, Change] = {
    "JPEG 60": lambda image, rng: jpeg(image, 60),
    "JPEG 95": lambda image, rng: jpeg(image, 95),
    "half": lambda image, rng: jpeg(resize(image, 0.5)),
    "three quarters": lambda image, rng: jpeg(resize(image, 0.75)),
    "cropped 5 %": lambda image, rng: jpeg(crop(image, 0.05, rng)),
    "cropped 10 %": lambda image, rng: jpeg(crop(image, 0.1, rng)),
    "brighter": lambda image, rng: jpeg(brighten(image, 1.15)),
    "darker": lambda image, rng: jpeg(brighten(image, 0.8)),
    "all": lambda image, rng: jpeg(
        brighten(resize(crop(image, 0.06, rng), 0.7), 1.1), 75
    ),
}


def dataset_of(images: list[Image.Image], size: int = 146, **options) -> ImageDataset:
    """Load images as `load_dataset` does; options are its own."""
    pixels = np.empty(len(images), dtype=object)
    pixels[:] = [np.asarray(image) for image in images]
    reader = ImageReader(size, options.pop("resize", "crop"))
    table = ImageTable.unlabelled([str(k) for k in range(len(images))], pixels=pixels)
    return load_dataset(table, reader, **options)[1]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two groupings differ in the group numbers only."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: more do not help with small tensors, and slow a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [make_photo(seed) for seed in range(12)]


# --- planted near duplicates ----------------------------------------------------------


@pytest.mark.parametrize("kind", CHANGES)
def test_modified_copies_are_found_and_nothing_else(photos, kind):
    rng = np.random.default_rng(0)
    copies = [CHANGES[kind](image, rng) for image in photos]
    groups = near_duplicate_groups(dataset_of(photos + copies))
    assert same(groups, np.tile(np.arange(len(photos)), 2))


def test_copies_are_found_when_squished_or_padded(photos):
    rng = np.random.default_rng(1)
    crops = [jpeg(crop(image, 0.08, rng)) for image in photos]
    small = [jpeg(resize(image, 0.6)) for image in photos]
    expected = np.tile(np.arange(len(photos)), 2)
    assert same(
        near_duplicate_groups(dataset_of(photos + crops, resize="squish")), expected
    )
    assert same(
        near_duplicate_groups(dataset_of(photos + small, resize="pad")), expected
    )


@pytest.mark.parametrize("corner", [(0, 0), (24, 0), (0, 18), (24, 18), (12, 9)])
def test_copies_cropped_by_a_tenth_at_any_corner_are_found(photos, corner):
    left, top = corner
    copies = [image.crop((left, top, left + 216, top + 162)) for image in photos]
    groups = near_duplicate_groups(dataset_of(photos + copies))
    assert same(groups, np.tile(np.arange(len(photos)), 2))


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (64, 1), (200, 1)])
def test_small_and_grayscale_copies_are_found(photos, size, channels):
    mode = "L" if channels == 1 else "RGB"
    small = [image.convert(mode) for image in photos]
    copies = [jpeg(image).convert(mode) for image in small]
    dataset = dataset_of(small + copies, size)
    assert dataset.channels == channels
    assert same(near_duplicate_groups(dataset), np.tile(np.arange(len(photos)), 2))


def test_pairs_have_a_similarity(photos):
    copies = [jpeg(photos[3], 95), jpeg(photos[3], 40), photos[3]]
    pairs = find_near_duplicates(dataset_of(photos + copies))
    # the last is an exact duplicate, represented by the first
    assert pairs.rows.tolist() == [[3, 12], [3, 13], [12, 13]]
    assert pairs.rows.dtype == np.int64
    assert (pairs.similarity >= MIN_SIMILARITY).all() and (pairs.similarity <= 1).all()
    assert pairs.similarity[0] > pairs.similarity[1]


def test_groups_contain_exact_duplicates(photos):
    order = [0, 1, 2, 0, 3, 2, 0]
    images = [photos[k] for k in order] + [jpeg(photos[1]), jpeg(photos[0])]
    dataset = dataset_of(images)
    assert len(set(duplicate_groups(dataset.digests).tolist())) == 6
    assert same(near_duplicate_groups(dataset), np.array([*order, 1, 0]))


def test_near_duplicates_of_near_duplicates_form_one_group(photos):
    # 0 and 2 overlap by 83 %: each is a near duplicate of the whole, which joins them
    first, last = (photos[0].crop((k, 0, k + 220, 180)) for k in (0, 20))
    assert same(
        near_duplicate_groups(dataset_of([first, photos[0], last])), np.zeros(3, int)
    )


def test_the_expected_time_grows_with_the_images_and_their_candidates(
    photos, monkeypatch
):
    """By a clock that advances by a second at each look."""
    ticks = itertools.count()
    monkeypatch.setattr(near_duplicates.time, "perf_counter", lambda: next(ticks))
    few, distinct = 100, dataset_of(photos[:8])
    pairs = 1 / near_duplicates.NUM_TIMED_HASHES**2
    expected = 1 / 8 + few * pairs  # seconds per image: hashes, and their comparison
    assert search_seconds(distinct, few) == pytest.approx(expected)
    copies = dataset_of([jpeg(photos[0], 80 + k) for k in range(8)])
    num_pairs = 8 * 7 / 2  # every pair is a candidate; an alignment takes 1 / 28
    candidates = min((few - 1) / 2, near_duplicates.MAX_HASH_NEIGHBORS) / num_pairs
    assert search_seconds(copies, few) == pytest.approx(expected + candidates)


def test_the_order_of_images_does_not_matter(photos):
    rng = np.random.default_rng(2)
    images = photos + [jpeg(image, 70) for image in photos[:8]]
    order = rng.permutation(len(images))
    groups = near_duplicate_groups(dataset_of(images))
    again = near_duplicate_groups(dataset_of([images[k] for k in order]))
    assert same(again, groups[order])


def test_result_is_the_same_when_images_are_not_in_memory(photos):
    images = photos + [jpeg(image, 70) for image in photos]
    in_memory, from_files = (
        find_near_duplicates(dataset_of(images, memory=m)) for m in (None, 0)
    )
    assert in_memory.rows.tolist() == from_files.rows.tolist()
    assert (in_memory.similarity == from_files.similarity).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images_form_no_groups(photos, count):
    dataset = dataset_of(photos[:count])
    assert near_duplicate_groups(dataset, np.eye(3)[:count]).tolist() == list(
        range(count)
    )
    none = dataset.rows(np.zeros(count, dtype=bool))
    assert near_duplicate_groups(none, np.empty((0, 3))).tolist() == []
    assert find_near_duplicates(none).rows.shape == (0, 2)


# --- similar images that are not near duplicates --------------------------------------


def object_on_table(seed: int, object_seed: int) -> Image.Image:
    """Make a photo of an object on the same table as all others, with new grain."""
    rng = np.random.default_rng(seed)
    table = np.asarray(make_photo(99).resize((240, 180))).astype(float)
    item = np.asarray(make_photo(object_seed).resize((60, 60))).astype(float)
    table[60:120, 90:150] = item
    grain = rng.normal(0, 3, table.shape)
    return Image.fromarray((table + grain).clip(0, 255).astype(np.uint8))


def test_different_objects_on_one_table_are_not_joined():
    scenes = [object_on_table(k, 200 + k) for k in range(12)]
    dataset = dataset_of([*scenes, object_on_table(50, 203)])  # one object twice
    assert same(near_duplicate_groups(dataset), np.array([*range(12), 3]))
    # although most of the 78 pairs were candidates
    _, hashes = fingerprints(dataset)
    assert len(hash_candidates(hashes)) > 60


def test_one_poster_with_different_text_is_not_joined():
    """Detail of the size of letters counts when all coarser structure is equal."""
    rng = np.random.default_rng(5)
    poster = gaussian_filter(np.asarray(make_photo(77), float), (6, 6, 0))
    images = []
    for _ in range(4):
        letters = rng.normal(size=(180, 240, 1))
        letters = gaussian_filter(letters, (3, 3, 0)) - gaussian_filter(
            letters, (5, 5, 0)
        )
        pixels = poster + 10 * letters / letters.std()
        images.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    groups = near_duplicate_groups(dataset_of([*images, jpeg(images[2])]))
    assert same(groups, np.array([0, 1, 2, 3, 2]))


def test_one_shape_in_two_colors_is_not_joined():
    y, x = np.mgrid[:100, :100]
    shape = (np.hypot(y - 40, x - 55) < 25)[..., None]
    red, blue = (
        np.where(shape, c, 0).astype(np.uint8) for c in ((200, 9, 9), (9, 9, 200))
    )
    dataset = dataset_of([Image.fromarray(red), Image.fromarray(blue)])
    assert len(set(near_duplicate_groups(dataset).tolist())) == 2


def wall(seed: int, depth: float = 80) -> Image.Image:
    """Make a photo of a blank wall, brightest in the middle, with grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:200, :200] / 200 - 0.45
    pixels = 200 - depth * (2 * x**2 + 1.5 * y**2 + 0.3 * x)
    grain = rng.normal(0, 2, (200, 200, 3))
    return Image.fromarray((pixels[..., None] + grain).clip(0, 255).astype(np.uint8))


def test_blank_walls_under_one_lamp_are_not_joined():
    assert len(find_near_duplicates(dataset_of([wall(k) for k in range(8)])).rows) == 0


def test_uniform_images_are_not_joined():
    images = [Image.new("RGB", (50, 50), (k, k, k)) for k in (0, 80, 120, 121, 255)]
    assert near_duplicate_groups(dataset_of(images)).tolist() == [0, 1, 2, 3, 4]


def stroke(rng: np.random.Generator) -> Image.Image:
    """Draw a pen stroke of 28 x 28 pixels; strokes differ in few details."""
    y, x = np.mgrid[-14:14, -14:14]
    slant, middle, bend, width = rng.normal(0, (0.25, 2.5, 0.02, 0.4))
    away = np.abs(x - middle - slant * y - bend * y**2) / (2.2 + width)
    ink = (np.abs(y) < rng.normal(9, 1)) * 255 * (1 - away).clip(0)
    return Image.fromarray(ink.astype(np.uint8))


def test_simple_images_are_not_joined():
    rng = np.random.default_rng(3)
    dataset = dataset_of([stroke(rng) for _ in range(150)], 28)
    thumbnails, hashes = fingerprints(dataset)
    found = align_and_compare(dataset, thumbnails, hash_candidates(hashes))
    assert (found >= MIN_SIMILARITY).sum() > 100  # which would join most of them
    assert len(find_near_duplicates(dataset).rows) < 10


def test_similarity_threshold_by_hand():
    def scores(*counts: tuple[int, float]) -> np.ndarray:
        return np.concatenate([np.full(n, score) for n, score in counts])

    assert similarity_threshold(np.zeros(0)) == MIN_SIMILARITY
    # half as many as reach it may narrowly miss it, or ten
    assert (
        similarity_threshold(scores((40, 0.99), (20, 0.93), (900, 0.91)))
        == MIN_SIMILARITY
    )
    assert similarity_threshold(scores((1, 0.99), (10, 0.93))) == MIN_SIMILARITY
    assert similarity_threshold(scores((40, 0.985), (21, 0.93))) == pytest.approx(0.98)
    # each halving leaves a quarter, so it continues until few are left
    tail = 1 - 0.1 * np.linspace(0, 1, 10_001)[1:] ** 0.5
    assert 0.99 < similarity_threshold(tail) < 1
    assert similarity_threshold(np.ones(100)) == MIN_SIMILARITY


def test_large_groups_are_noted():
    assert note_large_groups(np.arange(100)) == []
    assert note_large_groups(np.zeros(10, dtype=int)) == []
    assert note_large_groups(np.zeros(0, dtype=int)) == []
    groups = np.arange(100)
    groups[:11] = 0
    assert note_large_groups(groups)[0].startswith("11 of 100 images form one group")
    groups[10] = 10
    assert note_large_groups(groups) == []


# --- hashes ---------------------------------------------------------------------------


def all_distances(hashes: np.ndarray) -> np.ndarray:
    """Return the distances [N, N] from the first hash of i to the nearest of j."""
    n = len(hashes)
    bits = [[[int(b) for b in f"{int(h):064b}"] for h in row] for row in hashes]
    return np.array(
        [
            [
                min(
                    sum(a != b for a, b in zip(bits[i][0], h, strict=True))
                    for h in bits[j]
                )
                for j in range(n)
            ]
            for i in range(n)
        ],
        dtype=int,
    ).reshape(n, n)


def some_hashes(n: int, windows: int, seed: int) -> np.ndarray:
    """Return hashes [n, windows] around three centres, with 10 of 64 bits flipped."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, (3, 1), dtype=np.uint64)
    flipped = np.packbits(rng.random((n, windows, 64)) < 10 / 64, axis=2)
    return centres[rng.integers(0, 3, n)] ^ flipped.view(np.uint64)[..., 0]


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(0, 20), st.integers(1, 3), st.integers(0, 30), st.integers(0, 999))
def test_hash_candidates_agree_with_all_pairs(n, windows, radius, seed):
    hashes = some_hashes(n, windows, seed)
    distances = all_distances(hashes)
    expected = np.argwhere(np.triu(np.minimum(distances, distances.T) <= radius, 1))
    assert hash_candidates(hashes, radius, most=n).tolist() == expected.tolist()


def test_hash_candidates_in_more_than_one_block():
    hashes = np.random.default_rng(0).integers(0, 2**64, (5000, 2), dtype=np.uint64)
    for i, j in ((3, 4999), (70, 4200), (4097, 4098)):
        hashes[i, 0] = hashes[j, 1] ^ np.uint64(0b10110)
    assert hash_candidates(hashes, 8).tolist() == [[3, 4999], [70, 4200], [4097, 4098]]


def test_each_image_contributes_its_nearest():
    # 0 to 5 are 0, 1, 3, 6, 10 and 15 bits from 0, on a line
    line = np.array([(1 << k) - 1 for k in (0, 1, 3, 6, 10, 15)], dtype=np.uint64)
    pairs = hash_candidates(line[:, None], radius=64, most=1)
    assert pairs.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
    assert len(hash_candidates(line[:, None], radius=64, most=9)) == 15
    assert hash_candidates(line[:, None], radius=2, most=9).tolist() == [[0, 1], [1, 2]]


def test_a_hash_has_the_signs_of_the_cosine_transform():
    thumbnails = np.random.default_rng(0).integers(0, 256, (5, 32, 32), dtype=np.uint8)
    hashes = perceptual_hashes(thumbnails)
    assert hashes.shape == (5, 9)
    for window, down, across in (
        (0, (-1, 1), (-1, 1)),
        (2, (-1, 0.9), (-0.9, 1)),  # upper right, 95 %
        (7, (-0.8, 1), (-1, 0.8)),  # lower left, 90 %
    ):
        y, x = (
            resampling_weights(32, 32, span=span).numpy() for span in (down, across)
        )
        waves = np.asarray(dctn(y @ thumbnails @ x.T, axes=(1, 2)))
        signs = waves[:, :8, :8] > 0
        signs[:, 0, 0] = False
        expected = np.packbits(signs.reshape(5, 64), axis=1).view(np.uint64)
        assert (hashes[:, window] == expected[:, 0]).all()


def test_a_hash_does_not_depend_on_brightness(photos):
    dark, light = (
        perceptual_hashes(
            (np.asarray(p.convert("L").resize((32, 32)))[None] * f).astype(np.uint8)
        )
        for p, f in ((photos[0], 0.5), (photos[0], 1))
    )
    assert np.bitwise_count(dark ^ light).max() <= 3


# --- features -------------------------------------------------------------------------


def test_feature_candidates_by_hand():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 40)) + 5  # a common mean
    features[150] = 3 * (features[7] - 5) + 5 + rng.normal(0, 0.1, 40)
    features[151] = features[7]
    pairs = {tuple(pair) for pair in feature_candidates(features).tolist()}
    assert {(7, 150), (7, 151), (150, 151)} <= pairs
    x = features - features.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x.T
    std = 1 / np.sqrt(40)  # of the cosine of random directions
    assert all(cosine[pair] > 2.5 * std for pair in pairs)
    assert len(pairs) < 0.005 * 200 * 199 / 2


def test_feature_candidates_do_not_depend_on_scale_shift_or_rotation():
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(40, 30)), 2, axis=0)
    features += rng.normal(0, 0.1, features.shape)
    rotation = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    pairs = feature_candidates(features)
    assert {(k, k + 1) for k in range(0, 80, 2)} <= {tuple(p) for p in pairs.tolist()}
    assert feature_candidates(7 * features @ rotation + 3).tolist() == pairs.tolist()


def test_principal_components_of_wide_features_are_compared():
    rng = np.random.default_rng(2)
    features = rng.normal(0, 0.3, (300, 200)).astype(np.float32)
    features[:, :30] += 3 * np.repeat(rng.normal(size=(150, 30)), 2, axis=0)
    pairs = {tuple(pair) for pair in feature_candidates(features).tolist()}
    assert {(k, k + 1) for k in range(0, 300, 2)} <= pairs


def test_features_of_few_dimensions_have_few_candidates():
    rng = np.random.default_rng(4)
    features = np.repeat(rng.normal(size=(20, 3)), 2, axis=0)
    features += rng.normal(0, 0.01, features.shape)
    pairs = {tuple(pair) for pair in feature_candidates(features).tolist()}
    assert {(k, k + 1) for k in range(0, 40, 2)} <= pairs
    assert len(pairs) <= 40 * MAX_FEATURE_NEIGHBORS


def test_features_add_candidates_to_those_of_the_hash(photos, monkeypatch):
    dataset = dataset_of([photos[0], *photos, jpeg(photos[5])])  # the first one twice
    features = np.random.default_rng(0).normal(size=(14, 20))
    features[13] = features[6]
    nothing = np.empty((0, 2), dtype=np.int64)
    monkeypatch.setattr(near_duplicates, "hash_candidates", lambda hashes: nothing)
    assert find_near_duplicates(dataset).rows.tolist() == []
    assert find_near_duplicates(dataset, features).rows.tolist() == [[6, 13]]


def test_similar_features_alone_are_not_enough(photos):
    features = np.random.default_rng(0).normal(size=(12, 20))
    features[9] = features[3]
    assert find_near_duplicates(dataset_of(photos), features).rows.tolist() == []


def test_number_of_features_must_be_that_of_the_images(photos):
    with pytest.raises(DataError, match="Got 3 rows for 2 images"):
        find_near_duplicates(dataset_of(photos[:2]), np.eye(3))


# --- alignment ------------------------------------------------------------------------


def scene(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return the brightness [U, V] of a continuous image at rows u and columns v."""
    waves = [(2.1, 1.3, 0.4), (-3.7, 2.9, 1.1), (5.2, 4.4, 2.0), (7.9, -6.3, 0.7)]
    parts = [torch.sin(a * u[:, None] + b * v + c) for a, b, c in waves]
    return 100 + 30 * torch.stack(parts).sum(dim=0)


@pytest.mark.parametrize(
    "placement",
    [
        ((1.0, 0.0), (1.0, 0.0)),
        ((0.9, 0.1), (0.9, -0.1)),
        ((1 / 0.9, -0.1), (1.0, 0.05)),
        ((0.95, 0.0), (1.1, 0.08)),
    ],
)
def test_the_placement_of_one_image_in_the_other_is_found(placement):
    u = (2 * torch.arange(32) + 1) / 32 - 1
    (zy, ty), (zx, tx) = placement
    a = scene(u, u)[None]
    b = 0.7 * scene(zy * u + ty, zx * u + tx)[None] + 20  # darker, too
    start = torch.tensor([1.0, 0.0]).expand(1, 2, 2)
    found = align(a, b, start, steps=3)
    assert found[0].flatten().tolist() == pytest.approx(np.ravel(placement), abs=0.003)
    assert detail_correlation(a[:, None], b[:, None], found).item() > 0.99
    if placement != ((1.0, 0.0), (1.0, 0.0)):
        assert detail_correlation(a[:, None], b[:, None], start).item() < 0.95


def test_a_flat_image_has_no_best_placement():
    start = torch.tensor([1.0, 0.0]).expand(2, 2, 2)
    flat = torch.full((2, 16, 16), 7.0)
    assert (align(flat, flat + 1, start, steps=3) == start).all()
    assert (detail_correlation(flat[:, None], flat[:, None], start) == 0).all()


def test_detail_correlation_by_hand():
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, 3, 64, 64, generator=rng) * 40 for _ in range(2))
    start = torch.tensor([1.0, 0.0]).expand(4, 2, 2)
    tint = torch.tensor([5.0, -20.0, 30.0])[:, None, None]
    assert detail_correlation(a, 0.6 * a + tint, start).tolist() == pytest.approx(
        [1] * 4
    )
    assert detail_correlation(a, -a, start).tolist() == pytest.approx([-1] * 4)
    assert detail_correlation(a, b, start).abs().max() < 0.1
    # half of one and half of the other: 1 / sqrt(2)
    mixed = detail_correlation(a, a + b, start)
    assert mixed.tolist() == pytest.approx([0.5**0.5] * 4, abs=0.05)


def test_either_image_may_be_the_cropped_one(photos):
    crops = [image.crop((24, 18, 240, 180)) for image in photos]
    dataset = dataset_of(photos + crops)
    thumbnails, _ = fingerprints(dataset)
    pairs = np.arange(24).reshape(2, 12).T
    found = align_and_compare(dataset, thumbnails, pairs)
    assert found.min() > MIN_SIMILARITY
    assert align_and_compare(dataset, thumbnails, pairs[:, ::-1]) == pytest.approx(
        found
    )
    assert align_and_compare(dataset, thumbnails, pairs[:0]).shape == (0,)


# --- downscaling ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 28, 32, 100, 256])
@pytest.mark.parametrize("points", [16, 64])
def test_resampling_keeps_constant_and_linear_images(size, points):
    weights = resampling_weights(size, points)
    assert weights.sum(dim=1).numpy() == pytest.approx(1)
    pixels, positions = ((2 * torch.arange(n) + 1) / n - 1 for n in (size, points))
    inner = (positions.abs() < 1 - 5 / min(size, points)).numpy()
    assert (weights @ pixels).numpy()[inner] == pytest.approx(
        positions.numpy()[inner], abs=0.02
    )


def test_downscaling_by_hand():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    w = resampling_weights(40, 16).numpy()
    expected = np.einsum("ay,nyxc,bx->ncab", w, pixels.astype(float), w)
    assert downscale(pixels, 16).numpy() == pytest.approx(expected, abs=1e-3)


# --- photographs ----------------------------------------------------------------------

SAME_OBJECT = """
glass/glass176 plastic/plastic152
paper/paper185 paper/paper390
paper/paper147 paper/paper99
metal/metal394 metal/metal76
plastic/plastic118 plastic/plastic137
metal/metal141 metal/metal390
cardboard/cardboard15 cardboard/cardboard361
paper/paper135 paper/paper496
"""
DIFFERENT_OBJECTS = """
metal/metal360 metal/metal373
glass/glass460 glass/glass95
plastic/plastic202 plastic/plastic379
glass/glass217 plastic/plastic363
metal/metal148 metal/metal155
metal/metal302 metal/metal389
glass/glass173 glass/glass175
plastic/plastic19 plastic/plastic256
"""


@pytest.mark.shared
@pytest.mark.parametrize("size", [146, 256])
def test_trashnet_photographs(size):
    """Pairs judged by eye: one object photographed twice, and similar objects."""
    root = SHARED / "data" / "images" / "trashnet"
    if not root.is_dir():
        pytest.skip("the data set is not available")
    names = [f"{name}.jpg" for name in (SAME_OBJECT + DIFFERENT_OBJECTS).split()]
    _, dataset = load_dataset(ImageTable.unlabelled(names, root), ImageReader(size))
    groups = near_duplicate_groups(dataset)
    num_pairs = len(SAME_OBJECT.split()) // 2
    expected = np.r_[
        np.repeat(np.arange(num_pairs), 2), 100 + np.arange(len(names) - 2 * num_pairs)
    ]
    assert same(groups, expected)
