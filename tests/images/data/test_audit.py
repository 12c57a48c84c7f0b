"""The audit: what is left out, why, and what is known of the rest."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vicinal.core.compute.threads import cores
from vicinal.errors import NoDataError
from vicinal.images.data.audit import (
    Audit,
    DecodedImage,
    ImageReader,
    audit,
    groups_of,
    rows_by_group,
)
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.decode import Header, digest
from vicinal.images.data.read import ImageTable, read_images

EYE = ImageReader(16)


def reasons(found: Audit) -> dict[str, str]:
    return {q.name: q.reason for q in found.quarantine}


def listed(names: list[str], labels: list[str], root: Path) -> ImageTable:
    return ImageTable(names, np.array(labels, dtype=object), root=root)


def test_good_pictures_are_all_usable(make_folder):
    table = read_images(make_folder({"cat": 3, "dog": 2}))
    found = audit(table, EYE)
    assert found.usable.all() and found.quarantine == []
    assert found.sizes.tolist() == [[32, 24]] * 5
    assert found.formats == {"PNG": 5}
    assert (found.channels, found.copies()) == (3, [])
    assert found.kept().names == table.names
    assert len(set(found.groups.tolist())) == 5


def test_what_cannot_be_used_is_named_with_its_reason(make_folder, tmp_path):
    root = make_folder({"cat": 3, "dog": 2})
    good = (root / "cat" / "0.png").read_bytes()
    (root / "cat" / "empty.jpg").write_bytes(b"")
    (root / "cat" / "cut.png").write_bytes(good[: len(good) // 2])
    (root / "dog" / "text.png").write_bytes(b"hello")
    (root / "dog" / "gone.png").symlink_to("nowhere.png")
    (root / "dog" / "self.png").symlink_to("self.png")
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(root / "dog" / "moving.gif", save_all=True, append_images=frames[1:])
    found = audit(read_images(root), EYE)
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
    assert "not a picture" in why["dog/text.png"]
    assert why["dog/gone.png"] == "there is no such file"
    assert "cannot be read: Too many levels" in why["dog/self.png"]
    assert "2 frames" in why["dog/moving.gif"]
    labels = {q.name: q.label for q in found.quarantine}
    assert all(label == name.split("/")[0] for name, label in labels.items())
    assert set(found.kept().names) == set(read_images(root).names) - set(why)
    assert not found.sizes[~found.usable].any()


def test_paths_that_are_no_files(tmp_path):
    (tmp_path / "folder.png").mkdir()
    names = ["folder.png", "no.png", "a\0b.png", "x" * 5000]
    found = audit(listed(names, ["cat"] * 4, tmp_path), EYE)
    assert not found.usable.any()
    why = reasons(found)
    assert why["folder.png"] == "not a regular file"
    assert why["no.png"] == "there is no such file"
    assert "null byte" in why["a\0b.png"]
    assert "name too long" in why["x" * 5000]
    with pytest.raises(NoDataError, match=r"None of the 4 .*folder.png: not a"):
        found.kept()


def test_a_pipe_among_the_pictures_is_not_waited_for(make_folder):
    root = make_folder({"cat": 1})
    os.mkfifo(root / "cat" / "pipe.jpg")
    found = audit(read_images(root), EYE)
    assert reasons(found) == {"cat/pipe.jpg": "not a regular file"}
    assert found.kept().names == ["cat/0.png"]


def test_the_key_tells_how_pixels_were_made():
    keys = {
        ImageReader(16).key,
        ImageReader(17).key,
        ImageReader(16, "pad").key,
        ImageReader(16, "squish").key,
    }
    assert len(keys) == 4


def test_a_palette_of_greys_counts_as_grey(tmp_path):
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("P")
    image.putpalette([k for k in range(256) for _ in range(3)])
    image.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as written:
        assert written.mode == "P"
    found = audit(listed(["a.png"], ["cat"], tmp_path), EYE)
    assert found.grey.all() and found.channels == 1


def test_marks_of_no_picture_are_a_class_without_pictures():
    y = [[0, 1, 0], [1, 1, 0]]
    pixels = np.arange(2 * 16, dtype=np.uint8).reshape(2, 4, 4)
    found = audit(read_images(pixels, y), EYE)
    assert [row["pictures"] for row in found.class_table()] == [1, 2, 0]


def test_too_many_pixels(make_folder):
    root = make_folder({"cat": 1, "dog": 1}, height=10, width=10)
    Image.new("RGB", (11, 10)).save(root / "dog" / "large.png")
    found = audit(read_images(root), ImageReader(16, max_pixels=100))
    why = "110 pixels, above the limit of 100"
    assert reasons(found) == {"dog/large.png": why}


def test_rows_the_table_set_aside_are_in_the_quarantine(make_folder):
    root = make_folder({"cat": 1, "dog": 1})
    csv = root / "table.csv"
    csv.write_text("path,label\ncat/0.png,cat\ndog/0.png,NA\nx.png,dog\n")
    found = audit(read_images(csv), EYE)
    assert [q.name for q in found.quarantine] == ["dog/0.png", "x.png"]
    assert found.to_dict()["pictures"] == 3
    assert found.to_dict()["quarantined"] == 2


# --- copies ------------------------------------------------------------------------


def copy(root: Path, source: str, *names: str) -> None:
    for name in names:
        (root / name).write_bytes((root / source).read_bytes())


def test_exact_copies_form_a_group(make_folder):
    root = make_folder({"cat": 3, "dog": 2})
    copy(root, "cat/0.png", "cat/a.png", "cat/b.png")
    copy(root, "dog/1.png", "dog/c.png")
    found = audit(read_images(root), EYE)
    assert found.usable.all()
    assert sorted(map(sorted, found.copies())) == [
        ["cat/0.png", "cat/a.png", "cat/b.png"],
        ["dog/1.png", "dog/c.png"],
    ]
    of_name = dict(zip(found.table.names, found.groups.tolist(), strict=True))
    assert of_name["cat/0.png"] == of_name["cat/a.png"] == of_name["cat/b.png"]
    assert len(set(of_name.values())) == 5


def test_copies_with_different_labels_are_all_set_aside(make_folder):
    root = make_folder({"cat": 3, "dog": 2})
    copy(root, "cat/0.png", "cat/a.png", "dog/b.png")
    copy(root, "cat/1.png", "cat/c.png")
    found = audit(read_images(root), EYE)
    why = reasons(found)
    assert set(why) == {"cat/0.png", "cat/a.png", "dog/b.png"}
    for reason in why.values():
        assert "different labels" in reason
        assert "cat/0.png (cat)" in reason and "dog/b.png (dog)" in reason
    assert found.copies() == [["cat/1.png", "cat/c.png"]]
    assert found.sizes.all()  # they were opened all the same


def test_several_labels_agree_in_any_order(make_folder):
    root = make_folder({"": 4})
    copy(root, "0.png", "a.png")
    copy(root, "1.png", "b.png")
    rows = ["0.png,x|y", "a.png,y | x", "1.png,x|y", "b.png,x", "2.png,y"]
    (root / "t.csv").write_text("path,label\n" + "\n".join(rows))
    found = audit(read_images(root / "t.csv"), EYE)
    assert set(reasons(found)) == {"1.png", "b.png"}
    assert found.copies() == [["0.png", "a.png"]]
    # 1.png is set aside from x and from y.
    assert found.class_table() == [
        {"class": "x", "pictures": 2, "set_aside": 2},
        {"class": "y", "pictures": 3, "set_aside": 1},
    ]


def test_copies_without_labels_do_not_disagree(make_folder):
    root = make_folder({"cat": 1})
    copy(root, "cat/0.png", "cat/1.png")
    paths = [root / "cat" / "0.png", root / "cat" / "1.png"]
    found = audit(read_images(paths), EYE)
    assert found.usable.all() and len(found.copies()) == 1
    assert found.class_table() == []


def test_missing_files_are_not_copies_of_each_other(tmp_path):
    found = audit(listed(["a.png", "b.png"], ["cat", "dog"], tmp_path), EYE)
    assert set(reasons(found).values()) == {"there is no such file"}
    assert found.copies() == []


def test_rows_by_group_by_hand():
    groups = np.array([5, 2, 5, 9, 2, 5, 7])
    among = np.array([1, 1, 1, 1, 1, 0, 1], dtype=bool)
    parts = [rows.tolist() for rows in rows_by_group(groups, among)]
    assert parts == [[1, 4], [0, 2]]
    assert list(rows_by_group(groups, np.zeros(7, dtype=bool))) == []
    names = [digest(b"a"), digest(b"b"), digest(b"a"), b"\0" * 16]
    numbers = groups_of(np.array(names, dtype="V16"))
    assert numbers[0] == numbers[2] and len(set(numbers.tolist())) == 3


# --- what is told ------------------------------------------------------------------


def test_the_class_table(make_folder):
    root = make_folder({"cat": 3, "dog": 2})
    (root / "emu").mkdir()
    (root / "emu" / "0.png").write_bytes(b"")
    (root / "dog" / "x.png").write_bytes(b"")
    assert audit(read_images(root), EYE).class_table() == [
        {"class": "cat", "pictures": 3, "set_aside": 0},
        {"class": "dog", "pictures": 2, "set_aside": 1},
        {"class": "emu", "pictures": 0, "set_aside": 1},
    ]


def test_the_class_table_of_numbers(make_folder):
    root = make_folder({"": 2})
    (root / "t.csv").write_text("path,target\n0.png,1.5\n1.png,2.5\nno.png,3.5\n")
    found = audit(read_images(root / "t.csv"), EYE)
    assert found.class_table() == []
    pixels = np.arange(12 * 64).reshape(12, 8, 8) % 251
    found = audit(read_images(pixels, list(range(12))), EYE)
    assert [row["class"] for row in found.class_table()] == list(map(str, range(12)))


def test_the_size_table(tmp_path):
    for number, size in enumerate([(10, 30), (20, 10), (60, 20)]):
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.new("RGB", size, (number, 0, 0)).save(tmp_path / "cat" / f"{number}.png")
    (tmp_path / "cat" / "bad.png").write_bytes(b"")
    found = audit(read_images(tmp_path), EYE)
    assert found.size_table() == {"width": [10, 20, 60], "height": [10, 20, 30]}


def test_grey_only_when_every_usable_picture_is(make_folder, draw):
    root = make_folder({"cat": 2, "dog": 2}, channels=1)
    deep = draw(9, channels=1).astype(np.uint16) * 257
    Image.fromarray(deep).save(root / "cat" / "deep.png")
    Image.fromarray(draw(8, channels=1) > 99).save(root / "cat" / "bits.png")
    assert audit(read_images(root), EYE).channels == 1
    (root / "dog" / "bad.png").write_bytes(b"")
    assert audit(read_images(root), EYE).channels == 1
    Image.fromarray(draw(7)).save(root / "dog" / "colour.png")
    found = audit(read_images(root), EYE)
    assert found.channels == 3
    assert found.to_dict()["grey"] == 6


@pytest.mark.parametrize(("shape", "channels"), [((), 1), ((1,), 1), ((3,), 3)])
def test_arrays_are_audited_too(shape, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 10, 12, *shape))
    pixels[3] = pixels[0]
    found = audit(read_images(pixels, ["a", "b", "b", "a"]), EYE)
    assert found.usable.all() and found.channels == channels
    assert found.sizes.tolist() == [[12, 10]] * 4
    assert found.formats == {"array": 4}
    assert found.copies() == [["picture 0", "picture 3"]]
    found = audit(read_images(pixels, ["a", "b", "b", "b"]), EYE)
    assert set(reasons(found)) == {"picture 0", "picture 3"}


def test_everything_is_told_in_json(make_folder):
    root = make_folder({"cat": 2, "dog": 1, "emu": 0})
    copy(root, "cat/0.png", "cat/a.png")
    (root / "dog" / "bad.png").write_bytes(b"")
    told = json.loads(json.dumps(audit(read_images(root), EYE).to_dict()))
    assert (told["pictures"], told["usable"], told["quarantined"]) == (5, 4, 1)
    assert (told["labels"], told["grey"]) == ("single_label", 0)
    assert told["formats"] == {"PNG": 4}
    assert told["copies"] == [["cat/0.png", "cat/a.png"]]
    assert told["notes"] == ["folders without a picture: 'emu'"]
    assert told["quarantine"][0]["name"] == "dog/bad.png"
    assert set(told["quarantine"][0]) == {"name", "label", "reason"}


def test_an_audit_of_nothing(make_folder):
    table = read_images(make_folder({"cat": 1})).rows(np.array([], dtype=int))
    found = audit(table, EYE)
    assert (found.copies(), found.class_table(), found.size_table()) == ([], [], {})
    with pytest.raises(NoDataError, match="None of the 0 pictures"):
        found.kept()


# --- one pass ----------------------------------------------------------------------


def test_tick_and_keep_are_called_in_order(make_folder):
    root = make_folder({"cat": 3, "dog": 2})
    (root / "cat" / "1.png").write_bytes(b"")
    ticks, kept = [], {}
    audit(
        read_images(root),
        EYE,
        report_progress=lambda done, total: ticks.append((done, total)),
        keep=lambda row, look: kept.update({row: look.pixels}),
    )
    assert ticks == [(k, 5) for k in range(1, 6)]
    assert list(kept) == [0, 2, 3, 4]
    assert all(pixels.shape == (16, 16, 3) for pixels in kept.values())


def test_the_cache_is_filled_and_used(make_folder, tmp_path, monkeypatch):
    table = read_images(make_folder({"cat": 3}))
    eye = ImageReader(16, cache=PixelCache(tmp_path / "cache", limit=10**6))
    first = [eye.look(table, row) for row in range(3)]
    monkeypatch.setattr("vicinal.images.data.audit.decode", None)  # nothing decodes now
    for row, look in enumerate(first):
        again = eye.look(table, row)
        assert again[:3] == look[:3]
        assert again.pixels is not None and look.pixels is not None
        assert np.array_equal(again.pixels, look.pixels)


def test_the_cache_does_not_hide_that_a_file_is_refused(make_folder, tmp_path):
    table = read_images(make_folder({"cat": 1}))
    cache = PixelCache(tmp_path / "cache", limit=10**6)
    assert audit(table, ImageReader(16, cache=cache)).usable.all()
    assert not audit(table, ImageReader(16, cache=cache, max_pixels=10)).usable.any()


class Heavy(ImageReader):
    """An eye whose every look weighs 200 kB."""

    def look(self, table: ImageTable, row: int) -> DecodedImage:
        name = row.to_bytes(16, "little")
        header = Header(300, 200, "RGB", "JPEG")
        return DecodedImage(None, header, name, np.zeros(200_000, np.uint8))


def test_memory_does_not_grow_with_the_number_of_pictures():
    n = 20_000
    names = [f"{k}.jpg" for k in range(n)]
    table = ImageTable(names, np.array(["cat", "dog"] * (n // 2), dtype=object))
    ticks = []
    tracemalloc.start()
    try:
        found = audit(table, Heavy(16), report_progress=lambda *_: ticks.append(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.usable.all() and len(ticks) == n
    # 4 GB of pixels went by, a few for each thread at a time.
    assert peak < 200 * n + 6 * cores() * 200_000
