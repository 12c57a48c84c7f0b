"""Training and inference of ResNet-18 and MobileNetV2 at 224 px: as vicinal does them
against the usual float32 loop, same network, same machine.

Each rival is a process of its own, since how a process keeps its memory is part of it;
they take turns, and the one that waits sleeps.

    python -m benchmarks.training_step
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from benchmarks.measure import Work, arguments, in_turns, ratios, tell
from vicinal.core.compute.memory import keep_memory
from vicinal.core.compute.runtime import Runtime, candidates, fastest
from vicinal.images.data.decode import Preprocessing
from vicinal.images.inference.engines import engine, fastest_forward
from vicinal.images.networks import build
from vicinal.images.networks.base import Network

BATCH = 32
CLAIMS = {"resnet18": (1.9, 2.0), "mobilenet_v2": (2.3, 3.5)}
"""wanted ratios: a training step, forward alone"""


@dataclass(frozen=True)
class Rival:
    """A network in one form, with a batch and an optimizer of its own."""

    network: nn.Module
    answers: dict[str, Work]
    """ways to answer, each for all of x"""

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


def make(name: str, usual: bool) -> Rival:
    """A network in the usual form, or in the one measured fastest."""
    x = torch.randn(BATCH, 3, 224, 224)
    torch.manual_seed(0)
    network, form = build(name, num_classes=6), Runtime()
    if usual:
        plain = torch.inference_mode()(network.forward)
        answers: dict[str, Work] = {what: lambda: plain(x) for what in WAYS}
    else:
        keep_memory()
        form = fastest(network, x[:16], candidates("cpu", "auto", False))
        answers = _answers(network, form, x)
    form.prepare(network)
    optimizer = AdamW(network.parameters(), fused=True)
    return Rival(network, answers, form.place(x), form, optimizer)


WAYS = ("forward, torch alone", "forward")
"""without OpenVINO, and on the engine that is the fastest here; ours begin with bytes
and scale them, theirs is given float32"""


def _answers(network: Network, form: Runtime, x: Tensor) -> dict[str, Work]:
    """What `predict` runs on many pictures."""
    how = Preprocessing(224, 224, channels=3)
    forms = candidates("cpu", "auto", False)
    best = fastest_forward(network, how, forms, "", many=True, cache=False)
    alone, chosen = (engine(network, how, f, many=True) for f in (form, best))
    pixels = (x.permute(0, 2, 3, 1) * 30 + 128).clamp(0, 255).byte().numpy()
    return {WAYS[0]: lambda: alone(pixels), WAYS[1]: lambda: chosen(pixels)}


def serve(name: str, usual: bool, asked: Connection) -> None:
    """Do what is asked for, and say that it is done, until nothing is."""
    rival, y = make(name, usual), torch.randint(0, 6, (BATCH,))
    asked.send(str(rival.form))
    while what := asked.recv():
        rival.network.train(what == "train")
        if what == "train":
            train_step(rival, y)
        else:
            rival.answers[what]()
        asked.send("done")


def compare(name: str, n: int) -> list[dict[str, Any]]:
    """Rows of figures for training and for forward alone."""
    spawn, rivals, forms = get_context("spawn"), {}, {}
    for title in ("usual float32", "vicinal"):
        ours, theirs = spawn.Pipe()
        usual = title.startswith("usual")
        spawn.Process(target=serve, args=(name, usual, theirs), daemon=True).start()
        rivals[title], forms[title] = ours, ours.recv()
    rows = []
    train, forward = CLAIMS[name]
    for what, wanted in {"train": train, **dict.fromkeys(WAYS, forward)}.items():
        work = {title: _work(pipe, what) for title, pipe in rivals.items()}
        times = in_turns(work, n, BATCH, warm=2)
        ours, theirs = times["vicinal"], times["usual float32"]
        rates = {"usual/s": theirs.rate, "ours/s": ours.rate}
        row = {"network": name, "what": what, "form": forms["vicinal"]}
        rows.append({**row, **rates, **ratios(ours, theirs), "wanted": wanted, "n": n})
    for pipe in rivals.values():
        pipe.send("")
    time.sleep(1)  # they end before the next begin
    return rows


def _work(pipe: Connection, what: str) -> Work:
    def work() -> None:
        pipe.send(what)
        pipe.recv()

    return work


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
