"""A network as the list of its steps, and what each of them computed for a picture.

A step is a layer without layers inside (a convolution, a norm, a pooling), or what a
network does between its layers (`x + f`, a mean over a map). Layers have the names that
their weights have; what stands between them is named after the layer it is in and what
it does, such as `layer1.0.add`.
"""

import contextlib
import difflib
import operator
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError

from vicinal.errors import SettingError, near_names

PICTURE = "picture"
"""the name of what the first step sees"""


@dataclass(frozen=True)
class Step:
    """One step of a network."""

    name: str
    kind: str
    """the layer's class, or what is done: add, mul, mean, flatten ..."""

    layer: nn.Module | None
    """the layer; None for what stands between layers"""

    sources: tuple[str, ...]
    """names of the steps whose values it takes"""

    arguments: tuple[Any, ...] = ()
    """what is done is done with: the steps' values are None here, a tensor is itself"""


@dataclass(frozen=True)
class Recording:
    """A network's steps in order, and what each gave for one picture."""

    steps: dict[str, Step]
    values: dict[str, Tensor]
    """by step, and of the picture: [C, H, W], or [D] behind the last map"""

    def step(self, name: str) -> Step:
        """The step of a name; SettingError with near names for one that is unknown."""
        if name in self.steps:
            return self.steps[name]
        inside = [step for step in self.steps if step.startswith(f"{name}.")]
        if inside:
            raise SettingError(
                f"{name} is a block of {len(inside)} layers. Name one of them: "
                f"{', '.join(inside[:6])}{', ...' if len(inside) > 6 else ''}."
            )
        raise SettingError(
            f"There is no layer {name!r}. {near_names(name, self._near(name))} "
            "`vicinal inspect RUN` lists all."
        )

    def _near(self, name: str) -> list[str]:
        """A few names that are like another, or the first few."""
        return difflib.get_close_matches(name, self.steps, 6) or list(self.steps)[:6]

    def layer_of_maps(self) -> Step:
        """The last step that gives maps; SettingError where there is none."""
        maps = [s for s in self.steps.values() if _is_map(self.values[s.name])]
        if maps:
            return maps[-1]
        raise SettingError(
            "No layer of this network has places: it sees all pixels in a row, as a "
            "dense network does. DecodedImage into a convolutional one."
        )


def _is_map(value: Tensor) -> bool:
    return value.ndim == 3 and value.shape[-1] * value.shape[-2] > 1


class _Steps(fx.Tracer):
    """Traces down to the layers that have no layers inside."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(True for _ in m.children())

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if isinstance(m, nn.Sequential):  # a part of one, `[:2]`, has no name
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


def traced(network: nn.Module) -> fx.GraphModule:
    """A network as a graph of its steps; SettingError where it cannot be had.

    One that is such a graph is itself.
    """
    if isinstance(network, fx.GraphModule):
        return network
    tracer = _Steps()
    try:
        graph = tracer.trace(network)
    except (TraceError, TypeError, RuntimeError) as error:
        raise SettingError(
            f"The steps of {type(network).__name__} cannot be followed: what it does "
            f"depends on its numbers ({error}). Networks of vicinal can."
        ) from error
    return fx.GraphModule(network, graph)


class Run(fx.Interpreter):
    """One run of a network over a batch, step by step.

    watch(name, value) is called with what each step gave, [N, ...]; where it returns a
    tensor, that takes the value's place.
    """

    def __init__(
        self, graph: fx.GraphModule, watch: Callable[[str, Tensor], Tensor | None]
    ) -> None:
        super().__init__(graph)
        self.names, self.watch = names_of(graph), watch

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n not in self.names or not isinstance(value, Tensor):
            return value
        other = self.watch(self.names[n], value)
        return value if other is None else other


def names_of(graph: fx.GraphModule) -> dict[fx.Node, str]:
    """The name of each step, by its node; of the picture too."""
    names: dict[fx.Node, str] = {}
    taken: Counter[str] = Counter()
    for node in graph.graph.nodes:
        if node.op in ("output", "get_attr"):  # a parameter is an argument of a step
            continue
        name = PICTURE if node.op == "placeholder" else _name(node)
        taken[name] += 1
        names[node] = name if taken[name] == 1 else f"{name}.{taken[name]}"
    return names


@contextlib.contextmanager
def answering(network: nn.Module) -> Iterator[None]:
    """Have a network answer as it does after training; then as it was."""
    was = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was)


@torch.no_grad()
def record(network: nn.Module, x: Tensor) -> Recording:
    """What each step of a network gives for one picture x [C, H, W].

    The network answers as it does after training (norms by their statistics, nothing
    dropped), in the number format of its weights and of x, and is left as it was.
    """
    values: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        values[name] = value[0]

    with answering(network):
        graph = traced(network)
        Run(graph, keep).run(x[None])
    return Recording(steps_of(graph, values), values)


def steps_of(graph: fx.GraphModule, values: Container[str]) -> dict[str, Step]:
    """The steps of a graph in order, by name: those that give one of the values."""
    names, steps = names_of(graph), {}
    for node, name in names.items():
        if name not in values or node.op == "placeholder":
            continue
        called = node.op == "call_module"
        layer = graph.get_submodule(str(node.target)) if called else None
        steps[name] = Step(
            name,
            type(layer).__name__ if layer is not None else _operation(node),
            layer,
            tuple(names[n] for n in node.all_input_nodes if names.get(n, "") in values),
            tuple(_argument(a, graph) for a in node.args),
        )
    return steps


def _argument(a: Any, graph: fx.GraphModule) -> Any:
    """An argument as it is, but None for a step's value, which `sources` names."""
    if not isinstance(a, fx.Node):
        return a
    if a.op == "get_attr":
        owner, _, own = str(a.target).rpartition(".")
        return getattr(graph.get_submodule(owner), own)
    return None


def _name(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    inside = [str(scope) for scope in stack if scope]
    last = inside[-1] if inside else ""
    return f"{last}.{_operation(node)}" if last else _operation(node)


OPERATIONS = {operator.add: "add", operator.mul: "mul", torch.flatten: "flatten"}


def _operation(node: fx.Node) -> str:
    if node.op == "call_method":
        return str(node.target)
    target: Any = node.target
    return OPERATIONS.get(target, getattr(target, "__name__", str(target)))
