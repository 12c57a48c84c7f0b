"""Frozen blocks computed once: same activations, gradients and views as without."""

import signal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vicinal.core.compute.runtime import Runtime
from vicinal.core.compute.signals import (
    SignalInterrupt,
    defer_signals,
    raise_on_signals,
)
from vicinal.core.training.trainer_options import saved_options
from vicinal.domains import load
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.read import read_images
from vicinal.images.networks import NETWORKS, build
from vicinal.images.training import cached_activations as cached_module
from vicinal.images.training import plan as plan_module
from vicinal.images.training.augment import AUGMENTATIONS
from vicinal.images.training.cached_activations import (
    ActivationLoader,
    CachedValidation,
    LowerBlocks,
    UpperBlocks,
    affordable_views,
    cache_activations,
    compile_blocks,
    count_frozen_modules,
)
from vicinal.images.training.fine_tuning import freeze_blocks
from vicinal.images.training.loader import ImageLoader
from vicinal.images.training.plan import Planner
from vicinal.images.training.time_budget import EpochTime

CHAINS = ["small", "resnet20", "resnet18", "mobilenet_v2", "convnext_atto"]
PREPROCESSING = Preprocessing(
    image_size=8, store_size=10, channels=1, mean=(0.5,), std=(0.2,)
)


def make_network(name: str = "small") -> Any:
    torch.manual_seed(0)
    size = 8 if name == "small" else 32
    return build(name, num_classes=3, in_channels=1, image_size=size).eval()


def make_loader(n: int = 10, augment: str = "light") -> ImageLoader:
    pixels = np.random.default_rng(0).integers(0, 256, (n, 10, 10)).astype(np.uint8)
    _, images = load_dataset(read_images(pixels), ImageReader(10))
    augmentation = AUGMENTATIONS[augment]
    return ImageLoader(images, np.arange(n) % 3, PREPROCESSING, augmentation, 4, seed=1)


class CountedBlocks:
    """Blocks that count the images that they are applied to."""

    def __init__(self) -> None:
        self.network = make_network()
        self.images = 0

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        self.images += len(x)
        return LowerBlocks(self.network, 1)(x)


def test_every_built_in_network_is_a_chain_or_has_none():
    plain = {"lenet5", "dense", "vgg11"}
    for name in {*NETWORKS} - plain:
        assert make_network(name).chain(), name
    assert set(CHAINS) <= {*NETWORKS}


@pytest.mark.parametrize("name", CHAINS)
def test_lower_and_upper_blocks_are_the_network(name):
    network = make_network(name)
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        for count in (0, 1, len(network.chain()) // 2, len(network.chain())):
            activations = LowerBlocks(network, count)(x)
            found = UpperBlocks(network, count)(activations)
            torch.testing.assert_close(found, network(x))


def test_gradients_are_those_of_the_whole_network():
    network = make_network("mobilenet_v2")
    freeze_blocks(network, "5")
    count = count_frozen_modules(network)
    assert count == 5
    x = torch.randn(3, 1, 32, 32)
    network(x).square().sum().backward()
    expected = {k: p.grad for k, p in network.named_parameters() if p.requires_grad}
    network.zero_grad()
    activations = LowerBlocks(network, count)(x)
    assert not activations.requires_grad
    UpperBlocks(network, count)(activations).square().sum().backward()
    for name, parameter in network.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name])
        else:
            assert parameter.grad is None


def test_compiled_blocks_agree_with_the_network():
    network = make_network("resnet20")
    lower, x = LowerBlocks(network, 2), torch.randn(4, 1, 32, 32)
    blocks = compile_blocks(lower, x, Runtime(channels_last=True))
    with torch.no_grad():
        torch.testing.assert_close(blocks(x), lower(x), rtol=1e-3, atol=1e-3)


def test_activations_are_those_of_the_augmented_images():
    """Epochs 0 and 1 show new views; epoch 2 shows those of epoch 0, in other order."""
    images, blocks = make_loader(), CountedBlocks()
    loader = ActivationLoader(images, blocks, 1, num_views=2)
    by_epoch = [list(loader.batches(epoch)) for epoch in range(4)]
    assert blocks.images == 2 * 10
    assert [len(batches) for batches in by_epoch] == [loader.steps] * 4
    views = []
    for epoch in (0, 1):
        for (x, y), (a, same_y) in zip(
            images.batches(epoch), by_epoch[epoch], strict=True
        ):
            torch.testing.assert_close(a, blocks(x), rtol=1e-3, atol=1e-3)
            assert y.equal(same_y)
        rows = np.concatenate(images.rows(epoch))
        view = torch.cat([a for a, _ in by_epoch[epoch]])
        views.append(view[np.argsort(rows)])
    assert not views[0].equal(views[1])
    for epoch in (2, 3):
        rows = images.rows(epoch)
        for own, (a, y) in zip(rows, by_epoch[epoch], strict=True):
            assert a.equal(views[epoch % 2][own])
            assert y.tolist() == (own % 3).tolist()


@pytest.mark.parametrize(("epoch", "start"), [(1, 2), (2, 0), (3, 1)])
def test_a_resumed_loader_yields_the_same_batches(epoch, start):
    whole, resumed = (
        ActivationLoader(make_loader(), CountedBlocks(), 1, num_views=2)
        for _ in range(2)
    )
    for earlier in range(epoch):
        list(whole.batches(earlier))
    expected = list(whole.batches(epoch))[start:]
    found = list(resumed.batches(epoch, start))
    assert len(found) == len(expected)
    assert all(
        a.equal(b) and y.equal(z)
        for (a, y), (b, z) in zip(found, expected, strict=True)
    )
    later = epoch + 2
    for (a, _), (b, _) in zip(
        resumed.batches(later), whole.batches(later), strict=True
    ):
        assert a.equal(b)


def test_validation_logits_are_those_of_the_network():
    network, images = make_network(), make_loader(augment="none")
    freeze_blocks(network, "1")
    loader = cache_activations(images, network, 2, Runtime())
    validation = CachedValidation(network, loader, images.images, Runtime())
    expected = torch.cat([x for x, _ in _in_order(images)])
    with torch.no_grad():
        torch.testing.assert_close(
            validation.logits(), network(expected), rtol=1e-2, atol=1e-2
        )


def _in_order(images: ImageLoader) -> list[tuple[Tensor, Tensor]]:
    rows = np.concatenate(images.rows(0))
    batches = list(images.batches(0))
    x, y = (torch.cat([pair[k] for pair in batches]) for k in (0, 1))
    return [(x[np.argsort(rows)], y[np.argsort(rows)])]


def test_views_are_limited_by_memory(monkeypatch):
    activation = torch.zeros(1, 8, 4, 4)  # 256 bytes as float16
    share = cached_module.MEMORY_FRACTION
    for free, views in ((1e12, cached_module.MAX_VIEWS), (3 * 100 * 256 / share, 3)):
        monkeypatch.setattr(cached_module, "free_memory", lambda f=free: f + 1)
        assert affordable_views(100, activation) == views


@pytest.mark.usefixtures("without_openvino")
def test_a_short_run_trains_the_upper_blocks_on_cached_views(tmp_path, monkeypatch):
    """Its checkpoint keeps the plan; the frozen blocks stay as they were."""
    x = np.random.default_rng(0).integers(0, 256, (40, 16, 16)).astype(np.uint8)
    y = ["a", "b"] * 20
    quick: dict[str, Any] = {"batch_size": 8, "cache": False, "false_alarm_rate": 0}
    source = ImageClassifier(**quick, epochs=1).fit(x, y).save(tmp_path / "source")

    def epoch_time(planner: Planner, *_: Any) -> EpochTime:
        return EpochTime(0.4 if count_frozen_modules(planner.network) else 20.0)

    monkeypatch.setattr(Planner, "epoch_time", epoch_time)
    monkeypatch.setattr(plan_module, "MAX_EPOCHS", 3)
    checkpoint = tmp_path / "last.safetensors"
    parameters = {**quick, "weights": str(source), "minutes": 0.2, "val_fraction": 0}
    model = ImageClassifier(**parameters, compare_scratch=False, shortcuts="off")
    for _ in model.fit_epochs(x, y, checkpoint=checkpoint):
        assert model.session_ is not None
        loader = model.session_.trainer.loader
        assert isinstance(loader, ActivationLoader)
    assert saved_options(checkpoint) == {"freeze": "1", "num_views": 8}
    assert [e.epoch for e in model.history_] == [1, 2, 3]
    before = load(source).network_.state_dict()
    after = model.network_.state_dict()
    changed = {k for k, t in after.items() if not t.equal(before[k])}
    first, *others = (set(names) for names in model.network_.blocks())
    assert not changed & first and all(changed & names for names in others)
    again = ImageClassifier(**parameters, compare_scratch=False, shortcuts="off")
    again.start_fit()
    session = again.start_session(
        *again.train_and_val_images(x, y), checkpoint=checkpoint
    )
    assert session.plan is not None and session.plan.freeze == "1"


def test_a_signal_ends_the_computation_of_a_view(monkeypatch):
    """Of a resumed training, which holds signals back."""
    blocks = CountedBlocks()
    loader = ActivationLoader(make_loader(), blocks, 1, num_views=2)
    compute = ActivationLoader._compute

    def interrupted(self: ActivationLoader, view: int, start: int) -> Any:
        for batch in compute(self, view, start):
            signal.raise_signal(signal.SIGINT)
            yield batch

    monkeypatch.setattr(ActivationLoader, "_compute", interrupted)
    with raise_on_signals(), pytest.raises(SignalInterrupt), defer_signals():
        list(loader.batches(2, 1))
    assert blocks.images == 4 and not loader.complete
    monkeypatch.undo()
    assert len(list(loader.batches(2, 1))) == loader.steps - 1
