"""Training and inference of ResNet-18 and MobileNetV2 at 224 px.

vicinal is compared with the usual float32 loop: same network, same machine.

Each peer is a process of its own, because memory management is part of the comparison;
they alternate, and the waiting one sleeps.

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

from benchmarks.measure import Work, make_parser, print_result, ratios, time_alternately
from vicinal.core.compute.memory import keep_memory
from vicinal.core.compute.runtime import Runtime, candidate_runtimes, fastest_runtime
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.engines import fastest_forward, make_engine
from vicinal.images.networks import build
from vicinal.images.networks.base import Network

BATCH = 32
TARGETS = {"resnet18": (1.9, 2.0), "mobilenet_v2": (2.3, 3.5)}
"""target ratios of a training step and of inference"""


@dataclass(frozen=True)
class Peer:
    """A network with its runtime, a batch and an optimizer."""

    network: nn.Module
    iter_predictions: dict[str, Work]
    """ways to compute predictions for all of x"""

    x: Tensor
    runtime: Runtime
    optimizer: AdamW


def train_step(peer: Peer, y: Tensor) -> None:
    """Run forward, backward and update, as `core.training` does."""
    optimizer = peer.optimizer
    with peer.runtime.threaded():
        with peer.runtime.active():
            logits = peer.network(peer.x)
        loss = nn.functional.cross_entropy(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def make(name: str, is_usual: bool) -> Peer:
    """Return a network with the usual runtime, or with the fastest one."""
    x = torch.randn(BATCH, 3, 224, 224)
    torch.manual_seed(0)
    network, runtime = build(name, num_classes=6), Runtime()
    if is_usual:
        plain = torch.inference_mode()(network.forward)
        iter_predictions: dict[str, Work] = {
            what: lambda: plain(x) for what in INFERENCE
        }
    else:
        keep_memory()
        runtime = fastest_runtime(
            network, x[:16], candidate_runtimes("cpu", "auto", False)
        )
        iter_predictions = _prediction_work(network, runtime, x)
    runtime.prepare(network)
    optimizer = AdamW(network.parameters(), fused=True)
    return Peer(network, iter_predictions, runtime.move(x), runtime, optimizer)


INFERENCE = ("forward, torch alone", "forward")
"""without OpenVINO, and on the fastest engine; ours start from bytes and scale them,
the usual loop gets float32"""


def _prediction_work(network: Network, runtime: Runtime, x: Tensor) -> dict[str, Work]:
    """Return what `predict` runs on many images."""
    how = Preprocessing(224, 224, channels=3)
    runtimes = candidate_runtimes("cpu", "auto", False)
    best = fastest_forward(network, how, runtimes, "", many=True, cache=False)
    alone, chosen = (make_engine(network, how, f, many=True) for f in (runtime, best))
    pixels = (x.permute(0, 2, 3, 1) * 30 + 128).clamp(0, 255).byte().numpy()
    return {INFERENCE[0]: lambda: alone(pixels), INFERENCE[1]: lambda: chosen(pixels)}


def serve_requests(name: str, is_usual: bool, requests: Connection) -> None:
    """Run the requested work and acknowledge it, until an empty request."""
    peer, y = make(name, is_usual), torch.randint(0, 6, (BATCH,))
    requests.send(str(peer.runtime))
    while what := requests.recv():
        peer.network.train(what == "train")
        if what == "train":
            train_step(peer, y)
        else:
            peer.iter_predictions[what]()
        requests.send("done")


def compare(name: str, n: int) -> list[dict[str, Any]]:
    """Return rows for a training step and for inference."""
    spawn, peers, runtimes = get_context("spawn"), {}, {}
    for title in ("usual float32", "vicinal"):
        ours, theirs = spawn.Pipe()
        is_usual = title.startswith("usual")
        spawn.Process(
            target=serve_requests, args=(name, is_usual, theirs), daemon=True
        ).start()
        peers[title], runtimes[title] = ours, ours.recv()
    rows = []
    train, forward = TARGETS[name]
    for what, target in {"train": train, **dict.fromkeys(INFERENCE, forward)}.items():
        work = {title: _work(pipe, what) for title, pipe in peers.items()}
        times = time_alternately(work, n, BATCH, warmup=2)
        ours, theirs = times["vicinal"], times["usual float32"]
        rates = {"usual/s": theirs.rate, "ours/s": ours.rate}
        row = {"network": name, "what": what, "runtime": runtimes["vicinal"]}
        rows.append({**row, **rates, **ratios(ours, theirs), "target": target, "n": n})
    for pipe in peers.values():
        pipe.send("")
    time.sleep(1)  # so that they end before the next ones start
    return rows


def _work(pipe: Connection, what: str) -> Work:
    def work() -> None:
        pipe.send(what)
        pipe.recv()

    return work


def main() -> None:
    options = make_parser(__doc__, n=5).parse_args()
    rows = [row for name in TARGETS for row in compare(name, options.n)]
    result = {
        "claim": f"images/s at 224 px, batch {BATCH}, vicinal {vicinal.__version__}",
        "ratio": min(row["ratio"] / row["target"] for row in rows),
        "rows": rows,
    }
    print_result(result, options.json)


if __name__ == "__main__":
    main()
