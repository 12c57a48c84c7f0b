"""Decide which directories are splits and which are classes.

======================================  ==============================================
DATA/cat/1.jpg                          a directory per class
DATA/train/cat/1.jpg                    the same below splits, by any of their names
DATA/seg_train/seg_train/cat/1.jpg      splits with other words, wrapper directories
DATA/cat/train/1.jpg                    splits below the classes
DATA/cat_train/1.jpg                    splits in the names of the classes
DATA/b/bakery/indoor/1.jpg              classes below their first letters (Places365)
======================================  ==============================================

A note names the form unless it is the first or the second. If the form is ambiguous, a
DataError lists what was found.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from vicinal.core.data.labels import SPLIT_ALIASES, quote_names
from vicinal.core.text import pluralize
from vicinal.errors import DataError

Parts = tuple[str, ...]
"""path of a directory below the root, name by name"""

UNLABELLED_WORDS = frozenset(
    "pred predict prediction predictions unlabeled unlabelled unsup unsupervised "
    "inference submission".split()
)
"""words in the names of directories whose images have no labels"""

USUAL_SPLITS = frozenset("train training val valid validation test testing".split())
"""names of splits, in lower case, that need no note"""

SPLIT_NOUNS = ("", "s", "set", "data", "images", "imgs")
"""what a split's name may end with: trainset, testdata"""

IMAGE_WORDS = frozenset("image images img imgs jpegimages photos".split())
MASK_WORDS = frozenset(
    "mask masks annotation annotations label labels segmentation segmentations "
    "segmentationclass segmentationobject groundtruth ground_truth gt".split()
)
USE_CSV = "give a CSV with the columns path,label"


@dataclass
class DirectoryTree:
    """A directory with images in it or below, or an empty one."""

    num_images: int = 0
    """directly in it"""

    children: dict[str, "DirectoryTree"] = field(default_factory=dict)

    @property
    def is_flat(self) -> bool:
        """Whether it has images and no subdirectories with images."""
        return self.num_images > 0 and not self.children


class ClassAndSplit(NamedTuple):
    """The class and the split of the images in a directory."""

    label: str
    split: str
    """train, val or test; empty if the directories give none"""


class ClassParent(NamedTuple):
    """A directory whose subdirectories are classes."""

    parts: Parts
    split: str = ""
    form: Literal["classes", "splits below", "splits in names", "letters"] = "classes"

    def class_and_split(self, below: Parts) -> ClassAndSplit | None:
        """Return the class of a directory, by its path below this one."""
        skipped = 1 if self.form == "letters" else 0
        if len(below) <= skipped:
            return None
        label, split = below[0], self.split
        if self.form == "letters":
            label = "/".join(below[1:])
        elif self.form == "splits below":
            if len(below) == 1:
                return None
            split = SPLIT_ALIASES[below[1].lower()]
        elif self.form == "splits in names":
            split, label = split_word(label) or "", _without_split(label)
        return ClassAndSplit(unicodedata.normalize("NFC", label), split)


class Layout(NamedTuple):
    """Which directories are splits, which are classes, and what to say about it."""

    parents: list[ClassParent]
    unlabelled: list[Parts]
    """directories of images without labels"""

    notes: list[str]

    def class_and_split(self, parts: Parts) -> ClassAndSplit | None:
        """Return class and split of a directory's images; None: they have none."""
        for parent in self.parents:
            depth = len(parent.parts)
            if parts[:depth] == parent.parts:
                return parent.class_and_split(parts[depth:])
        return None

    def is_unlabelled(self, parts: Parts) -> bool:
        """Return whether a directory is in one of the unlabelled directories."""
        return any(parts[: len(other)] == other for other in self.unlabelled)


def find_layout(root: DirectoryTree, source: str) -> Layout:
    """Return the layout of a directory of images.

    source: the directory, for messages. Raises DataError where splits and classes
    cannot be distinguished, and for images beside their masks.
    """
    base, node = _unwrap((), root)
    splits = _find_splits(node, source)
    names = [name for name, child in node.children.items() if not _is_empty(child)]
    if len(names) == 1 and names[0].lower() in IMAGE_WORDS:
        if node.children[names[0]].is_flat:  # images/ beside a table
            return Layout([], [(*base, names[0])], [])
    if not splits:
        layout = Layout([_class_parent(base, node)], [], [])
        if base:
            layout.notes.append(f"the class directories are in {_quote(base)}")
        layout.notes.extend(_note_ignored_splits(node))
    else:
        layout = _split_layout(base, node, splits, source)
    nodes = [(parent, _descend(root, parent.parts)) for parent in layout.parents]
    _check_masks(nodes, source)
    layout.notes.extend(_describe_forms(nodes))
    return layout


def _unwrap(
    parts: Parts, node: DirectoryTree, classes: frozenset[str] = frozenset()
) -> tuple[Parts, DirectoryTree]:
    """Return the first directory with several subdirectories, if only wrappers lead on.

    Else the directory itself. classes: names that are not those of wrappers.
    """
    found_parts, found = parts, node
    while len(found.children) == 1 and not found.num_images:
        name, child = next(iter(found.children.items()))
        is_split = not parts and name.lower() in SPLIT_ALIASES
        is_class = child.num_images and not _is_wrapper(name, found_parts)
        if is_split or is_class or name in classes:
            break
        found_parts, found = (*found_parts, name), child
    if found.is_flat:  # a directory of images: the wrapper of a split without classes
        return (found_parts, found) if parts else (parts, node)
    splits = {name.lower() for name in found.children} & set(SPLIT_ALIASES)
    return (found_parts, found) if len(found.children) > 1 or splits else (parts, node)


def _is_wrapper(name: str, parent: Parts) -> bool:
    """Return whether a directory with images in it is no class, by its name."""
    same = bool(parent) and name.casefold() == parent[-1].casefold()
    return same or name.lower() in IMAGE_WORDS | UNLABELLED_WORDS


# --- splits


def _find_splits(node: DirectoryTree, source: str) -> dict[str, str]:
    """Return the split of each child that is one; empty: they are classes."""
    names = [name for name, child in node.children.items() if not _is_empty(child)]
    exact = {n: SPLIT_ALIASES[n.lower()] for n in names if n.lower() in SPLIT_ALIASES}
    if exact and len(exact) == len(names):
        return exact
    splits = {name: split for name in names if (split := split_word(name))}
    others = [name for name in names if name not in splits]
    if len(set(exact.values())) < 2 and not _are_splits(node, splits, source):
        return _lone_split(node, splits, others, source)
    labelled = [name for name in others if not _is_unlabelled(node, name)]
    if labelled:
        raise DataError(
            f"{source} holds {quote_names(list(splits))}, which are names of splits, "
            f"beside {quote_names(labelled)}, which are not. Move the others "
            "elsewhere, or give a CSV with the columns path,label,split."
        )
    return splits


def _are_splits(node: DirectoryTree, splits: dict[str, str], source: str) -> bool:
    """Return whether directories with words such as train in their names are splits.

    They are, if they have the same class directories; or if the names differ in that
    word alone and the training directory has class directories.
    """
    kinds = set(splits.values())
    if "train" not in kinds or len(kinds) < 2 or _splits_in_names(node):
        return False
    classes = {name: _class_names(node, name) for name in splits}
    train = set().union(
        *(classes[n] for n, split in splits.items() if split == "train")
    )
    held_out = [classes[name] for name, split in splits.items() if split != "train"]
    if any(train & names for names in held_out):
        return True
    rests = {_without_split(name) for name in splits}
    if len(rests) > 1 or any(held_out):
        return False
    if not train:
        raise DataError(
            f"{source} holds {quote_names(list(splits))}, which look like splits, but "
            "hold images without class directories: a model would tell train from "
            "test. Put the images of each into a directory per class, or "
            f"{USE_CSV}[,split]. If they are classes, rename them."
        )
    return True


def _lone_split(
    node: DirectoryTree, splits: dict[str, str], others: list[str], source: str
) -> dict[str, str]:
    """Return one kind of split beside unlabelled images; empty: all are classes.

    Raises DataError if it has class directories that another directory has too.
    """
    for name in splits:
        classes = _class_names(node, name)
        if len(classes) < 2 or not others:
            continue
        if all(_is_unlabelled(node, other) for other in others):
            return splits
        same_classes = [
            other for other in others if classes & _class_names(node, other)
        ]
        if same_classes:
            raise DataError(
                f"{source} holds {name!r}, which is the name of a split, beside "
                f"{quote_names(same_classes)} with the same class directories. Rename "
                f"the other splits train, val or test, or {USE_CSV},split."
            )
    return {}


def _class_names(node: DirectoryTree, name: str) -> set[str]:
    """Return the directories below a subdirectory, in lower case."""
    below = _with_images(_unwrap((name,), node.children[name])[1])
    return {key.casefold() for key in below}


def _split_layout(
    base: Parts, node: DirectoryTree, splits: dict[str, str], source: str
) -> Layout:
    several = [
        frozenset(node.children[name].children)
        for name in splits
        if len(node.children[name].children) > 1
    ]
    classes = frozenset().union(*several)
    layout = Layout([], [], [])
    is_unusual = bool(base)
    for name, child in node.children.items():
        if _is_empty(child):
            continue
        parts, directory = _unwrap((*base, name), child, classes)
        if name not in splits or directory.is_flat:
            layout.unlabelled.append(parts)
            count = pluralize(_count_images(child), "image")
            layout.notes.append(
                f"{count} in {_quote(parts)} not used: without class directories they "
                f"have no labels (vicinal predict RUN {os.path.join(source, *parts)})"  # noqa: PTH118
            )
        else:
            layout.parents.append(_class_parent(parts, directory, splits[name]))
            is_unusual |= parts[-1].lower() not in USUAL_SPLITS or len(parts) > 1
    if is_unusual:
        found = ", ".join(f"{_quote(p.parts)} is {p.split}" for p in layout.parents)
        layout.notes.insert(0, f"directories read as splits: {found}")
    return layout


def split_word(name: str) -> str | None:
    """Return the one split whose name is a word of a directory's name; None: no one."""
    found = {split for word in _words(name) if (split := _as_split(word))}
    return found.pop() if len(found) == 1 else None


def _without_split(name: str) -> str:
    """Return the words of a name that are no splits: `cat2` of `train_cat2`."""
    return "_".join(word for word in _words(name) if not _as_split(word))


def _as_split(word: str) -> str | None:
    """Return the split that a word names, also with a number: test1, train2017."""
    word = word.lower().strip("0123456789")
    endings = (word.removesuffix(noun) for noun in SPLIT_NOUNS if word.endswith(noun))
    return next((SPLIT_ALIASES[w] for w in endings if w in SPLIT_ALIASES), None)


def _words(name: str) -> list[str]:
    """Return the words of a name: of seg_train, trainSet."""
    words = re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name)
    return [word for word in words if word]


def _is_unlabelled(node: DirectoryTree, name: str) -> bool:
    flat = _unwrap((name,), node.children[name])[1].is_flat
    words = {word.lower().strip("0123456789") for word in _words(name)}
    return flat and not UNLABELLED_WORDS.isdisjoint(words)


def _note_ignored_splits(node: DirectoryTree) -> Iterator[str]:
    """Yield a note if a directory named like a split is read as a class."""
    names = list(node.children)
    splits = [name for name in names if name.lower() in SPLIT_ALIASES]
    if splits:
        others = quote_names([name for name in names if name not in splits])
        yield (
            f"the directory {splits[0]!r} lies beside {others} and is read as a class, "
            "not as a split"
        )


# --- classes


def _class_parent(parts: Parts, node: DirectoryTree, split: str = "") -> ClassParent:
    """Return a directory of classes with the form of its subdirectories."""
    groups = [child for child in node.children.values() if not _is_empty(child)]
    nested = bool(groups) and not any(child.num_images for child in groups)
    flat = all(c.is_flat for child in groups for c in _with_images(child).values())
    if nested and all(map(_starts_with, node.children, node.children.values())):
        return ClassParent(parts, split, "letters")
    below = {name.lower() for child in groups for name in child.children}
    kinds = {SPLIT_ALIASES.get(name) for name in below}
    if not split and _splits_in_names(node):
        return ClassParent(parts, split, "splits in names")
    if nested and not split and len(groups) > 1 and None not in kinds:
        if "train" in kinds and len(kinds) > 1:
            if not flat:
                where = quote_names(list(_with_images(node)))
                raise DataError(
                    f"Each of {where} holds splits with subdirectories: folds, or data "
                    f"sets of their own. Name one of them as the data, or {USE_CSV}"
                    "[,split]."
                )
            return ClassParent(parts, split, "splits below")
    return ClassParent(parts, split)


def _splits_in_names(node: DirectoryTree) -> bool:
    """Return whether each class is there for train and another split, by its name."""
    splits: dict[str, set[str | None]] = {}
    for name, child in node.children.items():
        if not _is_empty(child):
            splits.setdefault(_without_split(name), set()).add(split_word(name))
    complete = (len(s) > 1 and "train" in s and None not in s for s in splits.values())
    return len(splits) > 1 and "" not in splits and all(complete)


def _starts_with(letter: str, node: DirectoryTree) -> bool:
    """Return whether a name is one letter, and all subdirectories are its words."""
    if len(letter) != 1 or not letter.isalpha():
        return False
    word = re.compile(rf"{letter}[^\W\d_]{{2}}", re.IGNORECASE)
    return all(word.match(name) for name in node.children)


def _check_masks(nodes: list[tuple[ClassParent, DirectoryTree]], source: str) -> None:
    """Raise DataError for a directory of images beside one of their masks."""
    for parent, node in nodes:
        names = {name.lower() for name in node.children}
        both = names & IMAGE_WORDS and names & MASK_WORDS
        if both and names <= IMAGE_WORDS | MASK_WORDS:
            where = os.path.join(source, *parent.parts)  # noqa: PTH118
            raise DataError(
                f"{where} holds {quote_names(sorted(node.children))}: images beside "
                "their masks or annotations, not a directory per class. Segmentation "
                f"and detection are not offered. To classify the images, {USE_CSV}."
            )


def _describe_forms(
    nodes: list[tuple[ClassParent, DirectoryTree]],
) -> Iterator[str]:
    """Yield notes on classes that are not simply directories of images."""
    below: dict[str, set[str]] = {}
    has_images: set[str] = set()
    forms = {parent.form for parent, _ in nodes}
    for _, node in nodes:
        for name, child in node.children.items():
            if not _is_empty(child):
                below.setdefault(name, set()).update(child.children)
            if child.num_images:
                has_images.add(name)
    names = quote_names(sorted(set().union(*below.values())))
    if "letters" in forms:
        yield f"class directories are below their first letters: {names}"
    if "splits in names" in forms:
        found = quote_names(sorted(below))
        yield f"splits are in the names of the class directories: {found}"
    if "splits below" in forms:
        yield f"splits are below the class directories: {names}"
    nested = sorted(k for k, v in below.items() if len(v) > 1 and k not in has_images)
    if forms != {"classes"} or not nested:
        return
    if len(nested) == len(below) > 1 and len(set(map(frozenset, below.values()))) == 1:
        yield (
            f"every class directory has the same subdirectories ({names}): if those "
            f"are the classes, {USE_CSV}"
        )
        return
    first = quote_names(sorted(below[nested[0]]))
    yield (
        f"subdirectories are not classes but belong to the class above them: {first} "
        f"to {nested[0]!r}. If they are the classes, {USE_CSV}; if they are patients "
        "or sessions, keep each in one split with --group-pattern"
    )


# --- the tree


def _is_empty(node: DirectoryTree) -> bool:
    return not node.num_images and not node.children


def _with_images(node: DirectoryTree) -> dict[str, DirectoryTree]:
    """Return the subdirectories that are not empty."""
    return {name: c for name, c in node.children.items() if not _is_empty(c)}


def _count_images(node: DirectoryTree) -> int:
    return node.num_images + sum(map(_count_images, node.children.values()))


def _descend(node: DirectoryTree, parts: Parts) -> DirectoryTree:
    for name in parts:
        node = node.children[name]
    return node


def _quote(parts: Parts) -> str:
    return repr(os.path.join(*parts))  # noqa: PTH118
