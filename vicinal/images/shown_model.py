"""A trained network for pictures that shows what is in it: to people, in notebooks."""

from typing import TYPE_CHECKING, Any, Literal

from vicinal.core.compute.runtime import count_parameters
from vicinal.core.report.notebook import facts
from vicinal.images.model import ImageModel

if TYPE_CHECKING:
    from vicinal.images.explain.explanation import PictureExplanation

MOST_CLASSES = 12
"""classes that a notebook shows by name"""

Method = Literal["gradcam", "integrated_gradients", "occlusion"]


class ShownModel(ImageModel):
    """A model that explains its answers and shows itself."""

    def explain(
        self,
        X: Any,
        method: Method = "gradcam",
        *,
        target: str | None = None,
        against: str | None = None,
    ) -> "PictureExplanation":
        """What the answer for one picture rests on, held against chance.

        See `images.inside.explain` for the methods, the target and the errors.
        """
        from vicinal.images.explain.explain import explain

        self.check_fitted()
        seed = self.random_state
        return explain(self, X, method, target=target, against=against, seed=seed)

    def _repr_html_(self) -> str:
        """What this model is, for a notebook."""
        return facts(repr(self), self._facts())

    def _facts(self) -> dict[str, Any]:
        """By name, what may be said of it in a line."""
        if not hasattr(self, self.fitted_by):
            return {"state": "has not learned yet"}
        how, classes = self.preprocessing_, self.objective_.classes
        colours = "grey" if how.channels == 1 else "colour"
        many = len(classes) > MOST_CLASSES
        shown = ", ".join(classes[:MOST_CLASSES]) + (", ..." if many else "")
        told = {"classes": f"{len(classes)}: {shown}"} if classes else {}
        probe = getattr(self, "probe_", None)
        if probe is not None:
            told["first answer, out of fold"] = str(probe.score)
        return told | {
            "network": f"{self.backbone_}, {count_parameters(self.network_):,} numbers",
            "sees": f"{how.image_size} x {how.image_size} pixels, {colours}",
            "epochs": len(self.history_),
            "runs on": str(self.runtime_),
            "may say unknown": "yes" if self.known_ is not None else "no",
        }
