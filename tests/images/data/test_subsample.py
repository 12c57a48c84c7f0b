"""Minutes that are too short for all pictures: an answer on a stated part."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal import ImageClassifier
from vicinal.core.data.splits import stratified_sample
from vicinal.core.storage.run_folder import Run
from vicinal.images.data import subsample as in_time
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.data.subsample import LEAST, subsample_split, within
from vicinal.images.run import TrainingRun


def table_of(n: int) -> ImageTable:
    pixels = np.random.default_rng(0).integers(0, 256, (n, 8, 8)).astype(np.uint8)
    return read_images(pixels, ["a"] * (n // 4) + ["b"] * (n - n // 4))


class Slow(ImageReader):
    """Opens a picture in five milliseconds, whatever it is."""

    def look(self, table: ImageTable, row: int):
        time.sleep(0.005)
        return super().look(table, row)


def test_a_sample_has_each_stratum_in_its_share():
    strata = np.array(["x"] * 900 + ["y"] * 90 + ["z"] * 10)
    rows = stratified_sample(strata, 500, 3)
    assert rows.tolist() == sorted(set(rows.tolist())) and len(rows) == 500
    names, counts = np.unique(strata[rows], return_counts=True)
    assert names.tolist() == ["x", "y", "z"]
    assert np.abs(counts - [450, 45, 5]).max() <= 1
    assert stratified_sample(strata, 2000, 3).tolist() == list(range(1000))
    assert not np.array_equal(rows, stratified_sample(strata, 500, 4))


def test_there_is_time_for_all():
    table = table_of(400)
    assert within(table, ImageReader(8), 10, 0) is table
    few = table_of(LEAST)
    assert within(few, Slow(8), 1e-6, 0) is few


def test_there_is_time_for_some():
    table = table_of(4000)
    part = within(table, Slow(8), 0.1, 0)  # two seconds for opening
    # 5 ms or a little more each, by one thread or several
    assert LEAST <= len(part) < 4000
    assert set(part.names) <= set(table.names)
    share = (part.labels == "a").mean()
    assert share == pytest.approx(0.25, abs=0.01)
    (note,) = [n for n in part.notes if "too short" in n]
    assert f"{len(part):,} of them" in note and "all 4,000 pictures" in note


def test_the_user_s_parts_keep_their_shares(tmp_path):
    frame = pd.DataFrame({"path": [f"{k}.png" for k in range(1000)]})
    frame["label"] = ["a", "b"] * 500
    frame["split"] = ["test"] * 200 + ["train"] * 800
    part = subsample_split(read_images(frame), 100, 0)
    assert part.split is not None
    assert (part.split == "test").sum() == 20 and len(part) == 100


def test_a_run_answers_all_the_same_and_goes_on_with_the_same_part(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(in_time, "LEAST", 60)
    table = table_of(600)
    how: dict[str, Any] = {"augment": "none", "cache": False, "exact": True}
    how |= {"minutes": 1e-4, "batch_size": 8}
    names = []
    for resumed in (False, True):
        make = Run.resume if resumed else Run.create
        with make(tmp_path / "run") as run:
            run.write("settings.json", {"data": "some data"})
            work = TrainingRun(ImageClassifier(**how), table, run, "some data")
            news = [one for one in work.steps() if isinstance(one, str)]
        names.append(work.table.names)
        assert work.evaluation is not None and work.evaluation.score.n > 5
        assert len(work.table) == 60
        if not resumed:
            assert any("too short for all 600 pictures" in line for line in news)
    assert names[0] == names[1]
