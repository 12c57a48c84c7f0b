"""Names of the classes of weights whose files hold none: those of ImageNet.

`imagenet_classes.txt` has the 1,000 classes of ILSVRC 2012 (Russakovsky et al. 2015),
one a line in the order of every published head, that of the WordNet identifiers: the
first word of each synset, and in brackets what distinguishes two of the same word.
"""

from pathlib import Path

from vicinal.images.weights.pretrained import LoadedWeights

NUM_IMAGENET = 1000
BACKGROUND = "background"
"""first of the 1,001 classes of networks made with TensorFlow-Slim"""


def imagenet_classes() -> tuple[str, ...]:
    """Return the names [1000] of ImageNet's classes, in the order of their rows."""
    path = Path(__file__).with_name("imagenet_classes.txt")
    return tuple(path.read_text(encoding="utf-8").splitlines())


def class_names(weights: LoadedWeights) -> tuple[tuple[str, ...], str]:
    """Return the names of a head's classes, and a note on where they are from.

    1,000 classes are ImageNet's, and 1,001 the same after a background class; others
    are numbered as the rows of the head. No classes: there is no head.
    """
    count = weights.classes or 0
    if count == NUM_IMAGENET:
        return imagenet_classes(), "classes: 1,000, named as those of ImageNet"
    if count == NUM_IMAGENET + 1:
        names = (BACKGROUND, *imagenet_classes())
        return names, "classes: 1,001, named as background and those of ImageNet"
    names = tuple(map(str, range(count)))
    return names, f"classes: {count:,}, numbered: the weights hold no names"
