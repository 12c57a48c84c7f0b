"""Near duplicates: planted ones are found, and what is merely alike is not."""

import io
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
from vicinal.images.data.audit import ImageReader, groups_of
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import ImageTable
from vicinal.images.splits import near_duplicates
from vicinal.images.splits.alignment import agreement, fitted, likenesses
from vicinal.images.splits.candidates import (
    NEIGHBOURS,
    close_features,
    close_hashes,
    fingerprints,
    perceptual_hashes,
)
from vicinal.images.splits.near_duplicates import (
    ALIKE,
    chain_notes,
    least_likeness,
    near_groups,
    near_pairs,
)
from vicinal.images.splits.thumbnails import sampling, shrunk

SHARED = Path(__file__).parents[3].parent / "shared"

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def photo(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """Something like a photograph: clouds of all sizes (1/f), shapes, and grain."""
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


def saved(image: Image.Image, quality: int = 90) -> Image.Image:
    """A picture as it comes back from a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def resized(image: Image.Image, share: float) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)))


def trimmed(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """Both sides shorter by a share, at places drawn from the picture."""
    width, height = round(image.width * (1 - share)), round(image.height * (1 - share))
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


CHANGES: dict[str, Change] = {
    "JPEG 60": lambda image, rng: saved(image, 60),
    "JPEG 95": lambda image, rng: saved(image, 95),
    "half": lambda image, rng: saved(resized(image, 0.5)),
    "three quarters": lambda image, rng: saved(resized(image, 0.75)),
    "trimmed 5 %": lambda image, rng: saved(trimmed(image, 0.05, rng)),
    "trimmed 10 %": lambda image, rng: saved(trimmed(image, 0.1, rng)),
    "brighter": lambda image, rng: saved(brighter(image, 1.15)),
    "darker": lambda image, rng: saved(brighter(image, 0.8)),
    "all": lambda image, rng: saved(
        brighter(resized(trimmed(image, 0.06, rng), 0.7), 1.1), 75
    ),
}


def pictures_of(images: list[Image.Image], size: int = 146, **options) -> ImageDataset:
    """Pictures as the audit leaves them; options as of look_over."""
    pixels = np.empty(len(images), dtype=object)
    pixels[:] = [np.asarray(image) for image in images]
    eye = ImageReader(size, options.pop("resize", "crop"))
    table = ImageTable.unlabelled([str(k) for k in range(len(images))], pixels=pixels)
    return load_dataset(table, eye, **options)[1]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two groupings differ in nothing but the numbers."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, which starve on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [photo(seed) for seed in range(12)]


# --- planted ones ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", CHANGES)
def test_changed_copies_are_found_and_nothing_else(photos, kind):
    rng = np.random.default_rng(0)
    copies = [CHANGES[kind](image, rng) for image in photos]
    groups = near_groups(pictures_of(photos + copies))
    assert same(groups, np.tile(np.arange(len(photos)), 2))


def test_made_square_in_other_ways(photos):
    rng = np.random.default_rng(1)
    trims = [saved(trimmed(image, 0.08, rng)) for image in photos]
    small = [saved(resized(image, 0.6)) for image in photos]
    wanted = np.tile(np.arange(len(photos)), 2)
    assert same(near_groups(pictures_of(photos + trims, resize="squish")), wanted)
    assert same(near_groups(pictures_of(photos + small, resize="pad")), wanted)


@pytest.mark.parametrize("corner", [(0, 0), (24, 0), (0, 18), (24, 18), (12, 9)])
def test_trimmed_by_a_tenth_at_any_corner(photos, corner):
    left, top = corner
    copies = [image.crop((left, top, left + 216, top + 162)) for image in photos]
    groups = near_groups(pictures_of(photos + copies))
    assert same(groups, np.tile(np.arange(len(photos)), 2))


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (64, 1), (200, 1)])
def test_small_and_grey_pictures(photos, size, channels):
    mode = "L" if channels == 1 else "RGB"
    small = [image.convert(mode) for image in photos]
    copies = [saved(image).convert(mode) for image in small]
    pictures = pictures_of(small + copies, size)
    assert pictures.channels == channels
    assert same(near_groups(pictures), np.tile(np.arange(len(photos)), 2))


def test_pairs_say_how_alike_they_are(photos):
    copies = [saved(photos[3], 95), saved(photos[3], 40), photos[3]]
    pairs = near_pairs(pictures_of(photos + copies))
    # the last is an exact copy, for which the first stands
    assert pairs.rows.tolist() == [[3, 12], [3, 13], [12, 13]]
    assert pairs.rows.dtype == np.int64
    assert (pairs.likeness >= ALIKE).all() and (pairs.likeness <= 1).all()
    assert pairs.likeness[0] > pairs.likeness[1]


def test_groups_are_coarser_than_exact_copies(photos):
    order = [0, 1, 2, 0, 3, 2, 0]
    images = [photos[k] for k in order] + [saved(photos[1]), saved(photos[0])]
    pictures = pictures_of(images)
    assert len(set(groups_of(pictures.digests).tolist())) == 6
    assert same(near_groups(pictures), np.array([*order, 1, 0]))


def test_near_duplicates_of_near_duplicates_are_together(photos):
    # 0 and 2 share 83 %: each is near the whole, which joins them
    first, last = (photos[0].crop((k, 0, k + 220, 180)) for k in (0, 20))
    assert same(near_groups(pictures_of([first, photos[0], last])), np.zeros(3, int))


def test_the_order_of_pictures_does_not_matter(photos):
    rng = np.random.default_rng(2)
    images = photos + [saved(image, 70) for image in photos[:8]]
    order = rng.permutation(len(images))
    groups = near_groups(pictures_of(images))
    again = near_groups(pictures_of([images[k] for k in order]))
    assert same(again, groups[order])


def test_pictures_that_are_not_held_in_memory(photos):
    images = photos + [saved(image, 70) for image in photos]
    held, read = (near_pairs(pictures_of(images, memory=m)) for m in (None, 0))
    assert held.rows.tolist() == read.rows.tolist()
    assert (held.likeness == read.likeness).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_pictures(photos, count):
    pictures = pictures_of(photos[:count])
    assert near_groups(pictures, np.eye(3)[:count]).tolist() == list(range(count))
    none = pictures.rows(np.zeros(count, dtype=bool))
    assert near_groups(none, np.empty((0, 3))).tolist() == []
    assert near_pairs(none).rows.shape == (0, 2)


# --- what is merely alike -------------------------------------------------------------


def on_a_table(seed: int, things: int) -> Image.Image:
    """A thing of its own on the table that all share, photographed anew: new grain."""
    rng = np.random.default_rng(seed)
    table = np.asarray(photo(99).resize((240, 180))).astype(float)
    thing = np.asarray(photo(things).resize((60, 60))).astype(float)
    table[60:120, 90:150] = thing
    grain = rng.normal(0, 3, table.shape)
    return Image.fromarray((table + grain).clip(0, 255).astype(np.uint8))


def test_other_things_on_one_table_stay_apart():
    scenes = [on_a_table(k, 200 + k) for k in range(12)]
    pictures = pictures_of([*scenes, on_a_table(50, 203)])  # a thing seen twice
    assert same(near_groups(pictures), np.array([*range(12), 3]))
    # and not because nobody looked: of 78 pairs, most were candidates
    _, hashes = fingerprints(pictures)
    assert len(close_hashes(hashes)) > 60


def test_one_poster_with_other_writing_stays_apart():
    """What is as small as letters tells apart what agrees in all that is larger."""
    rng = np.random.default_rng(5)
    poster = gaussian_filter(np.asarray(photo(77), float), (6, 6, 0))
    images = []
    for _ in range(4):
        letters = rng.normal(size=(180, 240, 1))
        letters = gaussian_filter(letters, (3, 3, 0)) - gaussian_filter(
            letters, (5, 5, 0)
        )
        pixels = poster + 10 * letters / letters.std()
        images.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    groups = near_groups(pictures_of([*images, saved(images[2])]))
    assert same(groups, np.array([0, 1, 2, 3, 2]))


def test_one_form_in_two_colours_stays_apart():
    y, x = np.mgrid[:100, :100]
    form = (np.hypot(y - 40, x - 55) < 25)[..., None]
    red, blue = (
        np.where(form, c, 0).astype(np.uint8) for c in ((200, 9, 9), (9, 9, 200))
    )
    pictures = pictures_of([Image.fromarray(red), Image.fromarray(blue)])
    assert len(set(near_groups(pictures).tolist())) == 2


def wall(seed: int, depth: float = 80) -> Image.Image:
    """A blank wall: brightest in the middle, and the camera's grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:200, :200] / 200 - 0.45
    pixels = 200 - depth * (2 * x**2 + 1.5 * y**2 + 0.3 * x)
    grain = rng.normal(0, 2, (200, 200, 3))
    return Image.fromarray((pixels[..., None] + grain).clip(0, 255).astype(np.uint8))


def test_blank_walls_under_one_lamp_stay_apart():
    assert len(near_pairs(pictures_of([wall(k) for k in range(8)])).rows) == 0


def test_pictures_of_one_grey_stay_apart():
    images = [Image.new("RGB", (50, 50), (k, k, k)) for k in (0, 80, 120, 121, 255)]
    assert near_groups(pictures_of(images)).tolist() == [0, 1, 2, 3, 4]


def stroke(rng: np.random.Generator) -> Image.Image:
    """A stroke of a pen: 28 x 28 pixels, and little that tells one from another."""
    y, x = np.mgrid[-14:14, -14:14]
    slope, middle, bend, width = rng.normal(0, (0.25, 2.5, 0.02, 0.4))
    away = np.abs(x - middle - slope * y - bend * y**2) / (2.2 + width)
    ink = (np.abs(y) < rng.normal(9, 1)) * 255 * (1 - away).clip(0)
    return Image.fromarray(ink.astype(np.uint8))


def test_plain_pictures_do_not_stand_out():
    rng = np.random.default_rng(3)
    pictures = pictures_of([stroke(rng) for _ in range(150)], 28)
    thumbnails, hashes = fingerprints(pictures)
    found = likenesses(pictures, thumbnails, close_hashes(hashes))
    assert (found >= ALIKE).sum() > 100  # which would make chains
    assert len(near_pairs(pictures).rows) < 10


def test_where_near_duplicates_begin():
    def scores(*counts: tuple[int, float]) -> np.ndarray:
        return np.concatenate([np.full(n, score) for n, score in counts])

    assert least_likeness(np.zeros(0)) == ALIKE
    # half as many as reach it may just miss it, or ten
    assert least_likeness(scores((40, 0.99), (20, 0.93), (900, 0.91))) == ALIKE
    assert least_likeness(scores((1, 0.99), (10, 0.93))) == ALIKE
    assert least_likeness(scores((40, 0.985), (21, 0.93))) == pytest.approx(0.98)
    # each halving leaves a quarter: no end before few are left
    tail = 1 - 0.1 * np.linspace(0, 1, 10_001)[1:] ** 0.5
    assert 0.99 < least_likeness(tail) < 1
    assert least_likeness(np.ones(100)) == ALIKE


def test_a_group_of_many_is_told():
    assert chain_notes(np.arange(100)) == []
    assert chain_notes(np.zeros(10, dtype=int)) == []
    assert chain_notes(np.zeros(0, dtype=int)) == []
    groups = np.arange(100)
    groups[:11] = 0
    assert chain_notes(groups)[0].startswith("11 of 100 pictures are one group")
    groups[10] = 10
    assert chain_notes(groups) == []


# --- hashes ---------------------------------------------------------------------------


def by_all_pairs(hashes: np.ndarray) -> np.ndarray:
    """Bits [N, N] between the first hash of i and the nearest of j, one by one."""
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
    """Hashes [n, windows] about three centres, each bit flipped in 10 of 64."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, (3, 1), dtype=np.uint64)
    flipped = np.packbits(rng.random((n, windows, 64)) < 10 / 64, axis=2)
    return centres[rng.integers(0, 3, n)] ^ flipped.view(np.uint64)[..., 0]


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(0, 20), st.integers(1, 3), st.integers(0, 30), st.integers(0, 999))
def test_close_hashes_are_those_of_all_pairs(n, windows, radius, seed):
    hashes = some_hashes(n, windows, seed)
    apart = by_all_pairs(hashes)
    wanted = np.argwhere(np.triu(np.minimum(apart, apart.T) <= radius, 1))
    assert close_hashes(hashes, radius, most=n).tolist() == wanted.tolist()


def test_close_hashes_in_more_than_one_block():
    hashes = np.random.default_rng(0).integers(0, 2**64, (5000, 2), dtype=np.uint64)
    for i, j in ((3, 4999), (70, 4200), (4097, 4098)):
        hashes[i, 0] = hashes[j, 1] ^ np.uint64(0b10110)
    assert close_hashes(hashes, 8).tolist() == [[3, 4999], [70, 4200], [4097, 4098]]


def test_each_picture_brings_in_its_nearest():
    # 0 to 5 are 0, 1, 3, 6, 10 and 15 bits from 0, on a line
    line = np.array([(1 << k) - 1 for k in (0, 1, 3, 6, 10, 15)], dtype=np.uint64)
    pairs = close_hashes(line[:, None], radius=64, most=1)
    assert pairs.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
    assert len(close_hashes(line[:, None], radius=64, most=9)) == 15
    assert close_hashes(line[:, None], radius=2, most=9).tolist() == [[0, 1], [1, 2]]


def test_a_hash_is_the_signs_of_the_cosine_transform():
    thumbnails = np.random.default_rng(0).integers(0, 256, (5, 32, 32), dtype=np.uint8)
    hashes = perceptual_hashes(thumbnails)
    assert hashes.shape == (5, 9)
    for window, down, across in (
        (0, (-1, 1), (-1, 1)),
        (2, (-1, 0.9), (-0.9, 1)),  # upper right, 95 %
        (7, (-0.8, 1), (-1, 0.8)),  # lower left, 90 %
    ):
        y, x = (sampling(32, 32, span=span).numpy() for span in (down, across))
        waves = np.asarray(dctn(y @ thumbnails @ x.T, axes=(1, 2)))
        signs = waves[:, :8, :8] > 0
        signs[:, 0, 0] = False
        wanted = np.packbits(signs.reshape(5, 64), axis=1).view(np.uint64)
        assert (hashes[:, window] == wanted[:, 0]).all()


def test_a_hash_does_not_see_brightness(photos):
    dark, light = (
        perceptual_hashes(
            (np.asarray(p.convert("L").resize((32, 32)))[None] * f).astype(np.uint8)
        )
        for p, f in ((photos[0], 0.5), (photos[0], 1))
    )
    assert np.bitwise_count(dark ^ light).max() <= 3


# --- features -------------------------------------------------------------------------


def test_close_features_by_hand():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 40)) + 5  # a mean that all share
    features[150] = 3 * (features[7] - 5) + 5 + rng.normal(0, 0.1, 40)
    features[151] = features[7]
    pairs = {tuple(pair) for pair in close_features(features).tolist()}
    assert {(7, 150), (7, 151), (150, 151)} <= pairs
    x = features - features.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x.T
    spread = 1 / np.sqrt(40)  # of the cosine of random directions
    assert all(cosine[pair] > 2.5 * spread for pair in pairs)
    assert len(pairs) < 0.005 * 200 * 199 / 2


def test_close_features_do_not_depend_on_scale_shift_or_turn():
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(40, 30)), 2, axis=0)
    features += rng.normal(0, 0.1, features.shape)
    turn = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    pairs = close_features(features)
    assert {(k, k + 1) for k in range(0, 80, 2)} <= {tuple(p) for p in pairs.tolist()}
    assert close_features(7 * features @ turn + 3).tolist() == pairs.tolist()


def test_of_wide_features_the_widest_directions_count():
    rng = np.random.default_rng(2)
    features = rng.normal(0, 0.3, (300, 200)).astype(np.float32)
    features[:, :30] += 3 * np.repeat(rng.normal(size=(150, 30)), 2, axis=0)
    pairs = {tuple(pair) for pair in close_features(features).tolist()}
    assert {(k, k + 1) for k in range(0, 300, 2)} <= pairs


def test_features_of_few_directions():
    rng = np.random.default_rng(4)
    features = np.repeat(rng.normal(size=(20, 3)), 2, axis=0)
    features += rng.normal(0, 0.01, features.shape)
    pairs = {tuple(pair) for pair in close_features(features).tolist()}
    assert {(k, k + 1) for k in range(0, 40, 2)} <= pairs
    assert len(pairs) <= 40 * NEIGHBOURS


def test_features_bring_in_what_the_hash_does_not(photos, monkeypatch):
    pictures = pictures_of([photos[0], *photos, saved(photos[5])])  # the first twice
    features = np.random.default_rng(0).normal(size=(14, 20))
    features[13] = features[6]
    nothing = np.empty((0, 2), dtype=np.int64)
    monkeypatch.setattr(near_duplicates, "close_hashes", lambda hashes: nothing)
    assert near_pairs(pictures).rows.tolist() == []
    assert near_pairs(pictures, features).rows.tolist() == [[6, 13]]


def test_features_alone_make_no_near_duplicates(photos):
    features = np.random.default_rng(0).normal(size=(12, 20))
    features[9] = features[3]
    assert near_pairs(pictures_of(photos), features).rows.tolist() == []


def test_features_of_other_pictures(photos):
    with pytest.raises(DataError, match="Got 3 rows for 2 pictures"):
        near_pairs(pictures_of(photos[:2]), np.eye(3))


# --- the close look -------------------------------------------------------------------


def scene(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Brightness at heights u and widths v of a picture that has no pixels: [U, V]."""
    waves = [(2.1, 1.3, 0.4), (-3.7, 2.9, 1.1), (5.2, 4.4, 2.0), (7.9, -6.3, 0.7)]
    parts = [torch.sin(a * u[:, None] + b * v + c) for a, b, c in waves]
    return 100 + 30 * torch.stack(parts).sum(dim=0)


@pytest.mark.parametrize(
    "place",
    [
        ((1.0, 0.0), (1.0, 0.0)),
        ((0.9, 0.1), (0.9, -0.1)),
        ((1 / 0.9, -0.1), (1.0, 0.05)),
        ((0.95, 0.0), (1.1, 0.08)),
    ],
)
def test_the_place_of_one_in_the_other_is_found(place):
    u = (2 * torch.arange(32) + 1) / 32 - 1
    (zy, ty), (zx, tx) = place
    a = scene(u, u)[None]
    b = 0.7 * scene(zy * u + ty, zx * u + tx)[None] + 20  # darker, too
    start = torch.tensor([1.0, 0.0]).expand(1, 2, 2)
    found = fitted(a, b, start, steps=3)
    assert found[0].flatten().tolist() == pytest.approx(np.ravel(place), abs=0.003)
    assert agreement(a[:, None], b[:, None], found).item() > 0.99
    if place != ((1.0, 0.0), (1.0, 0.0)):
        assert agreement(a[:, None], b[:, None], start).item() < 0.95


def test_a_flat_picture_has_no_place():
    start = torch.tensor([1.0, 0.0]).expand(2, 2, 2)
    flat = torch.full((2, 16, 16), 7.0)
    assert (fitted(flat, flat + 1, start, steps=3) == start).all()
    assert (agreement(flat[:, None], flat[:, None], start) == 0).all()


def test_agreement_is_a_correlation():
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, 3, 64, 64, generator=rng) * 40 for _ in range(2))
    start = torch.tensor([1.0, 0.0]).expand(4, 2, 2)
    tint = torch.tensor([5.0, -20.0, 30.0])[:, None, None]
    assert agreement(a, 0.6 * a + tint, start).tolist() == pytest.approx([1] * 4)
    assert agreement(a, -a, start).tolist() == pytest.approx([-1] * 4)
    assert agreement(a, b, start).abs().max() < 0.1
    # half of one and half of the other: 1 / sqrt(2)
    mixed = agreement(a, a + b, start)
    assert mixed.tolist() == pytest.approx([0.5**0.5] * 4, abs=0.05)


def test_either_may_be_the_trimmed_one(photos):
    trims = [image.crop((24, 18, 240, 180)) for image in photos]
    pictures = pictures_of(photos + trims)
    thumbnails, _ = fingerprints(pictures)
    pairs = np.arange(24).reshape(2, 12).T
    found = likenesses(pictures, thumbnails, pairs)
    assert found.min() > ALIKE
    assert likenesses(pictures, thumbnails, pairs[:, ::-1]) == pytest.approx(found)
    assert likenesses(pictures, thumbnails, pairs[:0]).shape == (0,)


# --- shrinking ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 28, 32, 100, 256])
@pytest.mark.parametrize("points", [16, 64])
def test_sampling_keeps_constants_and_slopes(size, points):
    weights = sampling(size, points)
    assert weights.sum(dim=1).numpy() == pytest.approx(1)
    there, here = ((2 * torch.arange(n) + 1) / n - 1 for n in (size, points))
    inner = (here.abs() < 1 - 5 / min(size, points)).numpy()
    assert (weights @ there).numpy()[inner] == pytest.approx(
        here.numpy()[inner], abs=0.02
    )


def test_shrunk_by_hand():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    w = sampling(40, 16).numpy()
    wanted = np.einsum("ay,nyxc,bx->ncab", w, pixels.astype(float), w)
    assert shrunk(pixels, 16).numpy() == pytest.approx(wanted, abs=1e-3)


# --- photographs of rubbish -----------------------------------------------------------

SEEN_TWICE = """
glass/glass176 plastic/plastic152
paper/paper185 paper/paper390
paper/paper147 paper/paper99
metal/metal394 metal/metal76
plastic/plastic118 plastic/plastic137
metal/metal141 metal/metal390
cardboard/cardboard15 cardboard/cardboard361
paper/paper135 paper/paper496
"""
ALIKE_BUT_OTHERS = """
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
def test_photographs_of_rubbish(size):
    """Told apart by eye: a thing photographed twice from one spot, and like things."""
    root = SHARED / "data" / "images" / "trashnet"
    if not root.is_dir():
        pytest.skip("the photographs are not there")
    names = [f"{name}.jpg" for name in (SEEN_TWICE + ALIKE_BUT_OTHERS).split()]
    _, pictures = load_dataset(ImageTable.unlabelled(names, root), ImageReader(size))
    groups = near_groups(pictures)
    twice = len(SEEN_TWICE.split()) // 2
    wanted = np.r_[
        np.repeat(np.arange(twice), 2), 100 + np.arange(len(names) - 2 * twice)
    ]
    assert same(groups, wanted)
