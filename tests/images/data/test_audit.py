"""The audit: what is quarantined and why, duplicates, sizes and formats."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vicinal.core.compute.threads import num_cores
from vicinal.errors import NoDataError
from vicinal.images.data.audit import (
    Audit,
    DecodedImage,
    ImageReader,
    audit,
    duplicate_groups,
    rows_by_group,
)
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.decoding.decode import Header, digest
from vicinal.images.data.read import ImageTable, read_images

READER = ImageReader(16)


def reasons(found: Audit) -> dict[str, str]:
    return {q.name: q.reason for q in found.quarantine}


def table_of(names: list[str], labels: list[str], root: Path) -> ImageTable:
    return ImageTable(names, np.array(labels, dtype=object), root=root)


def test_valid_images_are_all_usable(make_directory):
    table = read_images(make_directory({"cat": 3, "dog": 2}))
    found = audit(table, READER)
    assert found.usable.all() and found.quarantine == []
    assert found.sizes.tolist() == [[32, 24]] * 5
    assert found.formats == {"PNG": 5}
    assert (found.channels, found.exact_duplicates()) == (3, [])
    assert found.usable_table().names == table.names
    assert len(set(found.groups.tolist())) == 5


def test_unusable_images_are_quarantined_with_the_reason(make_directory, tmp_path):
    root = make_directory({"cat": 3, "dog": 2})
    good = (root / "cat" / "0.png").read_bytes()
    (root / "cat" / "empty.jpg").write_bytes(b"")
    (root / "cat" / "cut.png").write_bytes(good[: len(good) // 2])
    (root / "dog" / "text.png").write_bytes(b"hello")
    (root / "dog" / "gone.png").symlink_to("nowhere.png")
    (root / "dog" / "self.png").symlink_to("self.png")
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(root / "dog" / "moving.gif", save_all=True, append_images=frames[1:])
    found = audit(read_images(root), READER)
    why = reasons(found)
    assert set(why) == {
        "cat/cut.png",
        "cat/empty.jpg",
        "dog/gone.png",
        "dog/moving.gif",
        "dog/self.png",
        "dog/text.png",
    }
    assert why["cat/empty.jpg"] == "the file is empty (0 bytes)"
    assert "damaged" in why["cat/cut.png"]
    assert "not an image" in why["dog/text.png"]
    assert why["dog/gone.png"] == "no such file"
    assert "cannot be read: Too many levels" in why["dog/self.png"]
    assert "2 frames" in why["dog/moving.gif"]
    labels = {q.name: q.label for q in found.quarantine}
    assert all(label == name.split("/")[0] for name, label in labels.items())
    assert set(found.usable_table().names) == set(read_images(root).names) - set(why)
    assert not found.sizes[~found.usable].any()


def test_paths_that_are_not_files(tmp_path):
    (tmp_path / "folder.png").mkdir()
    names = ["folder.png", "no.png", "a\0b.png", "x" * 5000]
    found = audit(table_of(names, ["cat"] * 4, tmp_path), READER)
    assert not found.usable.any()
    why = reasons(found)
    assert why["folder.png"] == "not a regular file"
    assert why["no.png"] == "no such file"
    assert "null byte" in why["a\0b.png"]
    assert "name too long" in why["x" * 5000]
    with pytest.raises(NoDataError, match=r"None of the 4 .*folder.png: not a"):
        found.usable_table()


def test_a_pipe_is_not_read(make_directory):
    root = make_directory({"cat": 1})
    os.mkfifo(root / "cat" / "pipe.jpg")
    found = audit(read_images(root), READER)
    assert reasons(found) == {"cat/pipe.jpg": "not a regular file"}
    assert found.usable_table().names == ["cat/0.png"]


def test_the_cache_key_depends_on_size_and_resize():
    keys = {
        ImageReader(16).key,
        ImageReader(17).key,
        ImageReader(16, "pad").key,
        ImageReader(16, "squish").key,
    }
    assert len(keys) == 4


def test_a_palette_of_greys_is_grayscale(tmp_path):
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("P")
    image.putpalette([k for k in range(256) for _ in range(3)])
    image.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as written:
        assert written.mode == "P"
    found = audit(table_of(["a.png"], ["cat"], tmp_path), READER)
    assert found.grayscale.all() and found.channels == 1


def test_an_empty_column_of_a_label_matrix_is_a_class_without_images():
    y = [[0, 1, 0], [1, 1, 0]]
    pixels = np.arange(2 * 16, dtype=np.uint8).reshape(2, 4, 4)
    found = audit(read_images(pixels, y), READER)
    assert [row["images"] for row in found.class_table()] == [1, 2, 0]


def test_images_above_the_pixel_limit_are_quarantined(make_directory):
    root = make_directory({"cat": 1, "dog": 1}, height=10, width=10)
    Image.new("RGB", (11, 10)).save(root / "dog" / "large.png")
    found = audit(read_images(root), ImageReader(16, max_pixels=100))
    why = "110 pixels, above the limit of 100"
    assert reasons(found) == {"dog/large.png": why}


def test_rows_quarantined_by_the_table_are_included(make_directory):
    root = make_directory({"cat": 1, "dog": 1})
    csv = root / "table.csv"
    csv.write_text("path,label\ncat/0.png,cat\ndog/0.png,NA\nx.png,dog\n")
    found = audit(read_images(csv), READER)
    assert [q.name for q in found.quarantine] == ["dog/0.png", "x.png"]
    assert found.to_dict()["images"] == 3
    assert found.to_dict()["quarantined"] == 2


# --- exact duplicates --------------------------------------------------------------


def copy(root: Path, source: str, *names: str) -> None:
    for name in names:
        (root / name).write_bytes((root / source).read_bytes())


def test_exact_duplicates_form_a_group(make_directory):
    root = make_directory({"cat": 3, "dog": 2})
    copy(root, "cat/0.png", "cat/a.png", "cat/b.png")
    copy(root, "dog/1.png", "dog/c.png")
    found = audit(read_images(root), READER)
    assert found.usable.all()
    assert sorted(map(sorted, found.exact_duplicates())) == [
        ["cat/0.png", "cat/a.png", "cat/b.png"],
        ["dog/1.png", "dog/c.png"],
    ]
    group_of = dict(zip(found.table.names, found.groups.tolist(), strict=True))
    assert group_of["cat/0.png"] == group_of["cat/a.png"] == group_of["cat/b.png"]
    assert len(set(group_of.values())) == 5


def test_exact_duplicates_with_different_labels_are_quarantined(make_directory):
    root = make_directory({"cat": 3, "dog": 2})
    copy(root, "cat/0.png", "cat/a.png", "dog/b.png")
    copy(root, "cat/1.png", "cat/c.png")
    found = audit(read_images(root), READER)
    why = reasons(found)
    assert set(why) == {"cat/0.png", "cat/a.png", "dog/b.png"}
    for reason in why.values():
        assert "different labels" in reason
        assert "cat/0.png (cat)" in reason and "dog/b.png (dog)" in reason
    assert found.exact_duplicates() == [["cat/1.png", "cat/c.png"]]
    assert found.sizes.all()  # they were opened nevertheless


def test_the_order_of_several_labels_does_not_matter(make_directory):
    root = make_directory({"": 4})
    copy(root, "0.png", "a.png")
    copy(root, "1.png", "b.png")
    rows = ["0.png,x|y", "a.png,y | x", "1.png,x|y", "b.png,x", "2.png,y"]
    (root / "t.csv").write_text("path,label\n" + "\n".join(rows))
    found = audit(read_images(root / "t.csv"), READER)
    assert set(reasons(found)) == {"1.png", "b.png"}
    assert found.exact_duplicates() == [["0.png", "a.png"]]
    # 1.png counts as quarantined for x and for y
    assert found.class_table() == [
        {"class": "x", "images": 2, "quarantined": 2},
        {"class": "y", "images": 3, "quarantined": 1},
    ]


def test_exact_duplicates_without_labels_are_usable(make_directory):
    root = make_directory({"cat": 1})
    copy(root, "cat/0.png", "cat/1.png")
    paths = [root / "cat" / "0.png", root / "cat" / "1.png"]
    found = audit(read_images(paths), READER)
    assert found.usable.all() and len(found.exact_duplicates()) == 1
    assert found.class_table() == []


def test_missing_files_are_not_duplicates(tmp_path):
    found = audit(table_of(["a.png", "b.png"], ["cat", "dog"], tmp_path), READER)
    assert set(reasons(found).values()) == {"no such file"}
    assert found.exact_duplicates() == []


def test_rows_by_group_by_hand():
    groups = np.array([5, 2, 5, 9, 2, 5, 7])
    among = np.array([1, 1, 1, 1, 1, 0, 1], dtype=bool)
    found = [rows.tolist() for rows in rows_by_group(groups, among)]
    assert found == [[1, 4], [0, 2]]
    assert list(rows_by_group(groups, np.zeros(7, dtype=bool))) == []
    names = [digest(b"a"), digest(b"b"), digest(b"a"), b"\0" * 16]
    numbers = duplicate_groups(np.array(names, dtype="V16"))
    assert numbers[0] == numbers[2] and len(set(numbers.tolist())) == 3


# --- reported values ---------------------------------------------------------------


def test_class_table_counts_usable_and_quarantined(make_directory):
    root = make_directory({"cat": 3, "dog": 2})
    (root / "emu").mkdir()
    (root / "emu" / "0.png").write_bytes(b"")
    (root / "dog" / "x.png").write_bytes(b"")
    assert audit(read_images(root), READER).class_table() == [
        {"class": "cat", "images": 3, "quarantined": 0},
        {"class": "dog", "images": 2, "quarantined": 1},
        {"class": "emu", "images": 0, "quarantined": 1},
    ]


def test_class_table_of_numeric_labels_is_empty(make_directory):
    root = make_directory({"": 2})
    (root / "t.csv").write_text("path,target\n0.png,1.5\n1.png,2.5\nno.png,3.5\n")
    found = audit(read_images(root / "t.csv"), READER)
    assert found.class_table() == []
    pixels = np.arange(12 * 64).reshape(12, 8, 8) % 251
    found = audit(read_images(pixels, list(range(12))), READER)
    assert [row["class"] for row in found.class_table()] == list(map(str, range(12)))


def test_size_table_has_minimum_median_and_maximum(tmp_path):
    for number, size in enumerate([(10, 30), (20, 10), (60, 20)]):
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.new("RGB", size, (number, 0, 0)).save(tmp_path / "cat" / f"{number}.png")
    (tmp_path / "cat" / "bad.png").write_bytes(b"")
    found = audit(read_images(tmp_path), READER)
    assert found.size_table() == {"width": [10, 20, 60], "height": [10, 20, 30]}


def test_channels_is_1_only_if_every_usable_image_is_grayscale(make_directory, draw):
    root = make_directory({"cat": 2, "dog": 2}, channels=1)
    deep = draw(9, channels=1).astype(np.uint16) * 257
    Image.fromarray(deep).save(root / "cat" / "deep.png")
    Image.fromarray(draw(8, channels=1) > 99).save(root / "cat" / "bits.png")
    assert audit(read_images(root), READER).channels == 1
    (root / "dog" / "bad.png").write_bytes(b"")
    assert audit(read_images(root), READER).channels == 1
    Image.fromarray(draw(7)).save(root / "dog" / "colour.png")
    found = audit(read_images(root), READER)
    assert found.channels == 3
    assert found.to_dict()["grayscale"] == 6


@pytest.mark.parametrize(("shape", "channels"), [((), 1), ((1,), 1), ((3,), 3)])
def test_arrays_are_audited(shape, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 10, 12, *shape))
    pixels[3] = pixels[0]
    found = audit(read_images(pixels, ["a", "b", "b", "a"]), READER)
    assert found.usable.all() and found.channels == channels
    assert found.sizes.tolist() == [[12, 10]] * 4
    assert found.formats == {"array": 4}
    assert found.exact_duplicates() == [["image 0", "image 3"]]
    found = audit(read_images(pixels, ["a", "b", "b", "b"]), READER)
    assert set(reasons(found)) == {"image 0", "image 3"}


def test_the_audit_is_json(make_directory):
    root = make_directory({"cat": 2, "dog": 1, "emu": 0})
    copy(root, "cat/0.png", "cat/a.png")
    (root / "dog" / "bad.png").write_bytes(b"")
    values = json.loads(json.dumps(audit(read_images(root), READER).to_dict()))
    assert (values["images"], values["usable"], values["quarantined"]) == (5, 4, 1)
    assert (values["labels"], values["grayscale"]) == ("single_label", 0)
    assert values["formats"] == {"PNG": 4}
    assert values["exact_duplicates"] == [["cat/0.png", "cat/a.png"]]
    assert values["notes"] == ["directories without images: 'emu'"]
    assert values["quarantine"][0]["name"] == "dog/bad.png"
    assert set(values["quarantine"][0]) == {"name", "label", "reason"}


def test_an_audit_of_no_images(make_directory):
    table = read_images(make_directory({"cat": 1})).rows(np.array([], dtype=int))
    found = audit(table, READER)
    assert (found.exact_duplicates(), found.class_table(), found.size_table()) == (
        [],
        [],
        {},
    )
    with pytest.raises(NoDataError, match="None of the 0 images"):
        found.usable_table()


# --- reading -----------------------------------------------------------------------


def test_progress_and_keep_are_called_in_order(make_directory):
    root = make_directory({"cat": 3, "dog": 2})
    (root / "cat" / "1.png").write_bytes(b"")
    calls, kept = [], {}
    audit(
        read_images(root),
        READER,
        report_progress=lambda done, total: calls.append((done, total)),
        keep=lambda row, image: kept.update({row: image.pixels}),
    )
    assert calls == [(k, 5) for k in range(1, 6)]
    assert list(kept) == [0, 2, 3, 4]
    assert all(pixels.shape == (16, 16, 3) for pixels in kept.values())


def test_the_cache_is_filled_and_used(make_directory, tmp_path, monkeypatch):
    table = read_images(make_directory({"cat": 3}))
    reader = ImageReader(16, cache=PixelCache(tmp_path / "cache", limit=10**6))
    first = [reader.read(table, row) for row in range(3)]
    monkeypatch.setattr(
        "vicinal.images.data.audit.decode", None
    )  # decoding would now fail
    for row, image in enumerate(first):
        again = reader.read(table, row)
        assert again[:3] == image[:3]
        assert again.pixels is not None and image.pixels is not None
        assert np.array_equal(again.pixels, image.pixels)


def test_the_pixel_limit_applies_to_cached_images(make_directory, tmp_path):
    table = read_images(make_directory({"cat": 1}))
    cache = PixelCache(tmp_path / "cache", limit=10**6)
    assert audit(table, ImageReader(16, cache=cache)).usable.all()
    assert not audit(table, ImageReader(16, cache=cache, max_pixels=10)).usable.any()


class LargeImageReader(ImageReader):
    """A reader whose images take 200 kB each."""

    def read(self, table: ImageTable, row: int) -> DecodedImage:
        content = row.to_bytes(16, "little")
        header = Header(300, 200, "RGB", "JPEG")
        return DecodedImage(None, header, content, np.zeros(200_000, np.uint8))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images():
    n = 20_000
    names = [f"{k}.jpg" for k in range(n)]
    table = ImageTable(names, np.array(["cat", "dog"] * (n // 2), dtype=object))
    calls = []
    tracemalloc.start()
    try:
        found = audit(
            table, LargeImageReader(16), report_progress=lambda *_: calls.append(0)
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.usable.all() and len(calls) == n
    # 4 GB of pixels were read, a few images per thread at a time
    assert peak < 200 * n + 6 * num_cores() * 200_000
