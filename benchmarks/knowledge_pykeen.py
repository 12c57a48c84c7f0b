"""PyKEEN, in a process of its own: answers lines of JSON with lines of JSON.

    PEER_PYTHON -m benchmarks.knowledge_pykeen DATA_DIR DIM BATCH

The model is ComplEx, trained with cross-entropy over all entities (LCWA), Adagrad and
inverse triples, which vicinal has too. Seconds are CPU seconds of the process.
"""

# pyright: reportMissingImports=false
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import ComplEx
from pykeen.predict import predict_target
from pykeen.training import LCWATrainingLoop, TrainingCallback
from pykeen.triples import TriplesFactory

from benchmarks.measure import peak_memory_of

SCALE = 0.01
"""standard deviation of the vectors at the start"""


class EnoughError(Exception):
    """Raised when enough batches have been timed."""


class Timer(TrainingCallback):
    """Ends training after so many batches, of which the first is not timed."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left, self.start, self.seconds = batches, 0.0, 0.0

    def on_batch(self, **kwargs: Any) -> None:
        if not self.start:
            self.start = time.process_time()
            return
        self.left -= 1
        if not self.left:
            self.seconds = time.process_time() - self.start
            raise EnoughError


class Peer:
    """A model on the training triples of a directory."""

    def __init__(self, data: str, dim: int, batch: int) -> None:
        files = Path(data)
        self.train = TriplesFactory.from_path(
            files / "train.txt", create_inverse_triples=True
        )
        self.validation, self.test = (
            TriplesFactory.from_path(
                files / name,
                entity_to_id=self.train.entity_to_id,
                relation_to_id=self.train.relation_to_id,
            )
            for name in ("valid.txt", "test.txt")
        )
        self.dim, self.batch = dim, batch
        self.model = self._model()

    def _model(self) -> Any:
        small = partial(torch.nn.init.normal_, std=SCALE)
        return ComplEx(
            triples_factory=self.train,
            embedding_dim=self.dim,
            loss="crossentropy",
            entity_initializer=small,
            relation_initializer=small,
            regularizer=None,
            random_seed=0,
        )

    def epoch(self, batches: int) -> dict[str, float]:
        """Return the seconds of an epoch, from those of some batches."""
        model = self._model()
        optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
        loop = LCWATrainingLoop(
            model=model, triples_factory=self.train, optimizer=optimizer
        )
        timer = Timer(batches)
        try:
            loop.train(
                self.train,
                num_epochs=1,
                batch_size=self.batch,
                use_tqdm=False,
                callbacks=timer,
            )
        except EnoughError:
            pass
        triples = self.train.mapped_triples.numpy()
        pairs = len({*zip(triples[:, 0], triples[:, 1], strict=True)})
        pairs += len({*zip(triples[:, 2], triples[:, 1], strict=True)})
        seconds = timer.seconds / batches * pairs / self.batch
        return {"seconds": seconds, "questions": pairs}

    def queries(self, count: int) -> dict[str, float]:
        """Return the seconds of some questions for ten answers, one by one."""
        self.model.eval()
        rows = self.test.mapped_triples[:count].tolist()
        start = time.process_time()
        for head, relation, _ in rows:
            found = predict_target(
                self.model, head=head, relation=relation, triples_factory=self.train
            )
            found.df.head(10)
        return {"seconds": time.process_time() - start, "count": len(rows)}

    def memory(self, triples: int) -> dict[str, float]:
        """Return the megabytes that ranking takes, and its seconds."""
        known = [self.train.mapped_triples, self.validation.mapped_triples]
        tested = self.test.mapped_triples[:triples]
        evaluator = RankBasedEvaluator()

        def work() -> None:
            evaluator.evaluate(
                self.model,
                mapped_triples=tested,
                additional_filter_triples=known,
                use_tqdm=False,
            )

        start = time.process_time()
        megabytes = peak_memory_of(work)
        return {"megabytes": megabytes, "seconds": time.process_time() - start}


def main() -> None:
    torch.set_num_threads(1)
    data, dim, batch = sys.argv[1:]
    answers = sys.stdout
    sys.stdout = sys.stderr
    peer = Peer(data, int(dim), int(batch))
    for line in sys.stdin:
        name, value = json.loads(line)
        found = getattr(peer, name)(value)
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
