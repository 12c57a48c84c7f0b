"""A time budget too short for all images: a stratified sample is used."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal import ImageClassifier
from vicinal.core.data.splits import stratified_sample
from vicinal.core.storage.run_folder import Run
from vicinal.images.data import subsample as subsample_module
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.data.subsample import MIN_IMAGES, subsample, subsample_to_time
from vicinal.images.run import ImageRun


def table_of(n: int) -> ImageTable:
    pixels = np.random.default_rng(0).integers(0, 256, (n, 8, 8)).astype(np.uint8)
    return read_images(pixels, ["a"] * (n // 4) + ["b"] * (n - n // 4))


class SlowReader(ImageReader):
    """A reader that takes at least five milliseconds per image."""

    def read(self, table: ImageTable, row: int):
        time.sleep(0.005)
        return super().read(table, row)


def test_a_stratified_sample_keeps_the_proportions():
    strata = np.array(["x"] * 900 + ["y"] * 90 + ["z"] * 10)
    rows = stratified_sample(strata, 500, 3)
    assert rows.tolist() == sorted(set(rows.tolist())) and len(rows) == 500
    names, counts = np.unique(strata[rows], return_counts=True)
    assert names.tolist() == ["x", "y", "z"]
    assert np.abs(counts - [450, 45, 5]).max() <= 1
    assert stratified_sample(strata, 2000, 3).tolist() == list(range(1000))
    assert not np.array_equal(rows, stratified_sample(strata, 500, 4))


def test_all_images_are_used_if_there_is_time():
    table = table_of(400)
    assert subsample_to_time(table, ImageReader(8), 10, 0) is table
    few = table_of(MIN_IMAGES)
    assert subsample_to_time(few, SlowReader(8), 1e-6, 0) is few


def test_the_search_for_near_duplicates_counts():
    table, sizes = table_of(4000), []

    def search(some: ImageTable, reader: ImageReader, n: int) -> float:
        sizes.append((len(some), n))
        return 0.01

    assert len(subsample_to_time(table, ImageReader(8), 0.5, 0)) == 4000
    sample = subsample_to_time(table, ImageReader(8), 0.5, 0, search_seconds=search)
    assert 900 < len(sample) <= 1000  # 10 s for opening and searching
    assert sizes == [(32, 4000)]


def test_a_search_that_only_a_sample_gets_counts():
    """All images are too many to search; those that there is time for are not."""
    asked = []

    def search(some: ImageTable, reader: ImageReader, n: int) -> float:
        asked.append(n)
        return 0.0 if n > 3000 else 0.01

    table = table_of(4000)
    assert len(subsample_to_time(table, ImageReader(8), 5, 0, search_seconds=search))
    assert asked == [4000]
    sample = subsample_to_time(table, SlowReader(8), 0.1, 0, search_seconds=search)
    assert len(asked) == 3 and asked[-1] < 1000 and len(sample) < asked[-1]


def test_a_sample_is_used_if_time_is_short():
    table = table_of(4000)
    sample = subsample_to_time(table, SlowReader(8), 0.1, 0)  # 2 s to open all
    assert MIN_IMAGES <= len(sample) < 4000
    assert set(sample.names) <= set(table.names)
    fraction = (sample.labels == "a").mean()
    assert fraction == pytest.approx(0.25, abs=0.01)
    (note,) = [n for n in sample.notes if "too short" in n]
    assert f"sample of {len(sample):,};" in note and "all 4,000 images" in note


@pytest.mark.parametrize("labels", [["a", "b"] * 500, [k / 7 for k in range(1000)]])
@pytest.mark.parametrize("held_out", ["test", "val"])
def test_a_sample_keeps_the_given_test_split(labels, held_out):
    frame = pd.DataFrame({"path": [f"{k}.png" for k in range(1000)], "label": labels})
    frame["split"] = [held_out] * 200 + ["train"] * 800
    for most, size in ((500, 500), (100, 300)):
        sample = subsample(read_images(frame), most, 0)
        assert sample.split is not None and len(sample) == size
        assert sample.names[:200] == frame["path"].tolist()[:200]
        assert "the test split is whole" in sample.notes[-1]


def test_a_sample_keeps_the_proportions_of_given_splits():
    frame = pd.DataFrame({"path": [f"{k}.png" for k in range(1000)], "label": "a"})
    frame["split"] = ["test"] * 100 + ["val"] * 180 + ["train"] * 720
    for seed in range(5):
        split = subsample(read_images(frame), 200, seed).split
        assert split is not None
        counts = [(split == name).sum() for name in ("test", "val", "train")]
        assert counts == [100, 20, 80]


def test_a_run_uses_a_sample_and_resumes_with_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(subsample_module, "MIN_IMAGES", 60)
    table = table_of(600)
    parameters: dict[str, Any] = {"augment": "none", "cache": False}
    parameters |= {"minutes": 1e-4, "batch_size": 8}
    names = []
    for resumed in (False, True):
        open_run = Run.resume if resumed else Run.create
        with open_run(tmp_path / "run") as run:
            run.write("settings.json", {"data": "some data"})
            image_run = ImageRun(ImageClassifier(**parameters), table, run, "some data")
            lines = [step for step in image_run.steps() if isinstance(step, str)]
        names.append(image_run.data.names)
        assert image_run.evaluation is not None and image_run.evaluation.score.n > 5
        assert len(image_run.data) == 60
        if not resumed:
            assert any("too short for all 600 images" in line for line in lines)
    assert names[0] == names[1]


def test_the_time_of_the_network_counts():
    """20 ms to embed an image, of 0.6 x 6 s: at most 180 images, of 4,000."""
    seen = []

    def embedding_seconds(pixels: np.ndarray) -> float:
        seen.append(pixels.shape)
        return 0.02

    sample = subsample_to_time(
        table_of(4000), ImageReader(8), 0.1, 0, embedding_seconds=embedding_seconds
    )
    assert seen == [(subsample_module.NUM_TIMED, 8, 8, 3)]
    assert MIN_IMAGES <= len(sample) <= 180
