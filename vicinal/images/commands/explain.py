"""`explain` for images."""

from pathlib import Path
from typing import Any

from vicinal.core.domain import OpenRun
from vicinal.core.report.console import Console
from vicinal.core.report.finding import Finding
from vicinal.core.text import format_percent
from vicinal.images.domain import ExplainImage
from vicinal.images.explain.explain import METHODS
from vicinal.images.explain.explain import explain as explain_image
from vicinal.images.explain.explanation import plot_explanations
from vicinal.images.inspect.inspect import describe_input


def explain(run: OpenRun, arguments: ExplainImage, console: Console) -> Finding:
    """Explain one image by one method, or by all of them."""
    image, method = arguments.image, arguments.method
    found = [
        explain_image(
            run.model,
            image,
            name,
            target=arguments.target,
            against=arguments.against,
            seed=arguments.seed,
        )
        for name in (METHODS if method == "all" else [method])
    ]
    classes = [name for name in (arguments.target, arguments.against) if name]
    return Finding(
        [
            _describe_prediction(run.model, arguments, found[0]),
            *(f"{one.method} ({one.seconds:.2f} s): {one.verdict}" for one in found),
        ],
        {"image": image, "explanations": [one.to_dict() for one in found]},
        draw=lambda: plot_explanations(found),
        plot_name="-".join([Path(image).stem, method, *classes]) + ".png",
    )


def _describe_prediction(model: Any, arguments: ExplainImage, one: Any) -> str:
    score = format_percent(one.score) if 0 <= one.score <= 1 else f"{one.score:.4g}"
    of_two = " of the two classes" if arguments.against is not None else ""
    text = f"{arguments.image}: {one.target} {score}{of_two}"
    if model.is_unknown([arguments.image])[0]:
        text += "; out of distribution, so do not rely on the prediction"
    return f"{text}\n{describe_input(model.preprocessing_)}"
