"""Training and inference of ResNet-18 and MobileNetV2 at 224 px: the measured form
of `core.runtime` against the usual float32 loop, same network, same machine.

    python -m benchmarks.training_step
"""

import vicinal  # first: it sets how threads wait  # isort: skip
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from benchmarks.measure import Work, arguments, in_turns, ratios, tell
from vicinal.core.folding import folded
from vicinal.core.runtime import Runtime, candidates, fastest
from vicinal.images.networks import build

BATCH = 32
CLAIMS = {"resnet18": (1.9, 2.0), "mobilenet_v2": (2.3, 3.5)}
"""wanted ratios: a training step, forward alone"""


@dataclass(frozen=True)
class Rival:
    """A network in one form, with a batch and an optimizer of its own."""

    network: nn.Module
    answering: nn.Module
    """the network as it answers"""

    x: Tensor
    form: Runtime
    optimizer: AdamW


def train_step(rival: Rival, y: Tensor) -> None:
    """Forward, backward and update, as `core.training` does them."""
    optimizer = rival.optimizer
    with rival.form.threaded():
        with rival.form.active():
            logits = rival.network(rival.x)
        loss = nn.functional.cross_entropy(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


@torch.inference_mode()
def forward(rival: Rival) -> None:
    with rival.form.threaded(), rival.form.active():
        rival.answering(rival.x)


def rivals(name: str) -> dict[str, Rival]:
    """The same network twice: in the usual form, and in the one measured fastest."""
    x = torch.randn(BATCH, 3, 224, 224)
    ours = fastest(build(name, num_classes=6), x[:16], candidates("cpu", "auto", False))
    made = {}
    for title, form in (("usual float32", Runtime()), ("vicinal", ours)):
        torch.manual_seed(0)
        network = form.prepare(build(name, num_classes=6))
        optimizer = AdamW(network.parameters(), fused=True)
        answering = network.eval()
        if title == "vicinal":
            answering = form.prepare(folded(network, x[:2]))
        made[title] = Rival(network, answering, form.place(x), form, optimizer)
    return made


def compare(name: str, n: int) -> list[dict[str, Any]]:
    """Rows of figures for training and for forward alone."""
    y = torch.randint(0, 6, (BATCH,))
    made = rivals(name)
    rows = []
    for what, wanted in zip(("train", "forward"), CLAIMS[name], strict=True):
        for rival in made.values():
            rival.network.train(what == "train")
        work = {title: _work(what, rival, y) for title, rival in made.items()}
        times = in_turns(work, n, BATCH)
        ours, theirs = times["vicinal"], times["usual float32"]
        rates = {"usual/s": theirs.rate, "ours/s": ours.rate}
        row = {"network": name, "what": what, "form": str(made["vicinal"].form)}
        rows.append({**row, **rates, **ratios(ours, theirs), "wanted": wanted, "n": n})
    return rows


def _work(what: str, rival: Rival, y: Tensor) -> Work:
    if what == "train":
        return lambda: train_step(rival, y)
    return lambda: forward(rival)


def main() -> None:
    options = arguments(__doc__ or "")
    rows = [row for name in CLAIMS for row in compare(name, options.n)]
    told = {
        "claim": f"pictures/s at 224 px, batch {BATCH}, vicinal {vicinal.__version__}",
        "ratio": min(row["ratio"] / row["wanted"] for row in rows),
        "rows": rows,
    }
    tell(told, options.json)


if __name__ == "__main__":
    main()
