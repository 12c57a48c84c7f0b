"""Trace a network into steps, and record the activation of each step for an image.

A step is a layer without sublayers (a convolution, a norm, a pooling), or an operation
between layers (`x + f`, a mean over a feature map). Layers have the names of their
weights; an operation is named after the layer around it, such as `layer1.0.add`.
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

from vicinal.errors import SettingError, suggest_names

INPUT = "image"
"""name of the input of the first step"""


@dataclass(frozen=True)
class Step:
    """One step of a network."""

    name: str
    kind: str
    """class of the layer, or the operation: add, mul, mean, flatten ..."""

    layer: nn.Module | None
    """None for an operation between layers"""

    sources: tuple[str, ...]
    """names of the steps whose outputs are the inputs of this one"""

    arguments: tuple[Any, ...] = ()
    """arguments of an operation; None where the output of a step is used"""


@dataclass(frozen=True)
class Recording:
    """The steps of a network in order, and their outputs for one image."""

    steps: dict[str, Step]
    values: dict[str, Tensor]
    """output of each step, and the image: [C, H, W], or [D] after the last map"""

    def step(self, name: str) -> Step:
        """Return a step by its name; SettingError with similar names for an unknown."""
        if name in self.steps:
            return self.steps[name]
        inside = [step for step in self.steps if step.startswith(f"{name}.")]
        if inside:
            raise SettingError(
                f"{name} is a block of {len(inside)} layers. Name one of them: "
                f"{', '.join(inside[:6])}{', ...' if len(inside) > 6 else ''}."
            )
        raise SettingError(
            f"There is no layer {name!r}. {suggest_names(name, self._similar(name))} "
            "`vicinal inspect RUN` lists all layers."
        )

    def _similar(self, name: str) -> list[str]:
        """Return up to six similar names, or the first six."""
        return difflib.get_close_matches(name, self.steps, 6) or list(self.steps)[:6]

    def last_feature_map(self) -> Step:
        """Return the last step with a feature map; SettingError where there is none."""
        maps = [s for s in self.steps.values() if _is_map(self.values[s.name])]
        if maps:
            return maps[-1]
        raise SettingError(
            "This network has no feature maps: it is dense, so its layers have no "
            "positions. Use a convolutional network."
        )


def _is_map(value: Tensor) -> bool:
    return value.ndim == 3 and value.shape[-1] * value.shape[-2] > 1


class _LeafTracer(fx.Tracer):
    """Traces down to the layers without sublayers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(True for _ in m.children())

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if isinstance(m, nn.Sequential):  # a slice of one, `[:2]`, has no name
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


def trace_network(network: nn.Module) -> fx.GraphModule:
    """Return a network as a graph of its steps; a graph is returned unchanged.

    SettingError for a network that torch.fx cannot trace.
    """
    if isinstance(network, fx.GraphModule):
        return network
    tracer = _LeafTracer()
    try:
        graph = tracer.trace(network)
    except (TraceError, TypeError, RuntimeError) as error:
        raise SettingError(
            f"{type(network).__name__} cannot be traced, because its control flow "
            f"depends on its data ({error}). The networks of vicinal can be traced."
        ) from error
    return fx.GraphModule(network, graph)


class StepInterpreter(fx.Interpreter):
    """Runs a network step by step on a batch.

    on_output(name, value) is called with the output [N, ...] of each step; a tensor
    that it returns replaces the output.
    """

    def __init__(
        self, graph: fx.GraphModule, on_output: Callable[[str, Tensor], Tensor | None]
    ) -> None:
        super().__init__(graph)
        self.names, self.on_output = step_names(graph), on_output

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n not in self.names or not isinstance(value, Tensor):
            return value
        replacement = self.on_output(self.names[n], value)
        return value if replacement is None else replacement


def step_names(graph: fx.GraphModule) -> dict[fx.Node, str]:
    """Return the name of the step of each node, and of the input."""
    names: dict[fx.Node, str] = {}
    counts: Counter[str] = Counter()
    for node in graph.graph.nodes:
        if node.op in ("output", "get_attr"):  # a parameter is an argument of a step
            continue
        name = INPUT if node.op == "placeholder" else _node_name(node)
        counts[name] += 1
        names[node] = name if counts[name] == 1 else f"{name}.{counts[name]}"
    return names


@contextlib.contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode, and restore its mode afterwards."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@torch.no_grad()
def record(network: nn.Module, x: Tensor) -> Recording:
    """Record the output of each step of a network for one image x [C, H, W].

    The network runs in eval mode in the dtype of its weights and of x; its mode is
    restored afterwards.
    """
    values: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        values[name] = value[0]

    with eval_mode(network):
        graph = trace_network(network)
        StepInterpreter(graph, keep).run(x[None])
    return Recording(collect_steps(graph, values), values)


def collect_steps(graph: fx.GraphModule, values: Container[str]) -> dict[str, Step]:
    """Return the steps of a graph in order, by name, that have one of the values."""
    names, steps = step_names(graph), {}
    for node, name in names.items():
        if name not in values or node.op == "placeholder":
            continue
        is_layer = node.op == "call_module"
        layer = graph.get_submodule(str(node.target)) if is_layer else None
        steps[name] = Step(
            name,
            type(layer).__name__ if layer is not None else _operation(node),
            layer,
            tuple(names[n] for n in node.all_input_nodes if names.get(n, "") in values),
            tuple(_argument(a, graph) for a in node.args),
        )
    return steps


def _argument(a: Any, graph: fx.GraphModule) -> Any:
    """Return an argument unchanged, or None for the output of a step."""
    if not isinstance(a, fx.Node):
        return a
    if a.op == "get_attr":
        owner, _, attribute = str(a.target).rpartition(".")
        return getattr(graph.get_submodule(owner), attribute)
    return None


def _node_name(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    scopes = [str(scope) for scope in stack if scope]
    innermost = scopes[-1] if scopes else ""
    return f"{innermost}.{_operation(node)}" if innermost else _operation(node)


OPERATIONS = {operator.add: "add", operator.mul: "mul", torch.flatten: "flatten"}


def _operation(node: fx.Node) -> str:
    if node.op == "call_method":
        return str(node.target)
    target: Any = node.target
    return OPERATIONS.get(target, getattr(target, "__name__", str(target)))
