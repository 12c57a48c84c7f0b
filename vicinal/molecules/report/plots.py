"""Plots of the report of molecules, as SVG."""

import numpy as np

from vicinal.core.report.plots import BLUE, GREY, make_axes, to_svg

MAX_BARS = 400
"""molecules whose intervals are drawn"""

BINS = 30


def plot_parity(y: np.ndarray, predicted: np.ndarray, half: np.ndarray) -> str:
    """Plot predictions over targets [M], with intervals of these half widths [M]."""
    figure, axes = make_axes(4.2, 3.8)
    shown = np.random.default_rng(0).permutation(len(y))[:MAX_BARS]
    low, high = predicted - half, predicted + half
    axes.vlines(y[shown], low[shown], high[shown], color=GREY, linewidth=0.6, alpha=0.4)
    axes.scatter(y, predicted, s=9, color=BLUE, alpha=0.6, linewidths=0)
    ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
    axes.plot(ends, ends, color=GREY, linewidth=0.8)
    axes.set_xlabel("measured", fontsize=9)
    axes.set_ylabel("predicted (cross-validation)", fontsize=9)
    return to_svg(figure)


def plot_ranking(y: np.ndarray, scores: np.ndarray) -> str:
    """Plot the ROC and the precision-recall curve of scores [M] for targets 0 and 1."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(y[order] == 1)
    false = np.cumsum(y[order] != 1)
    recall, alarms = hits / max(hits[-1], 1), false / max(false[-1], 1)
    precision = hits / np.arange(1, len(y) + 1)
    figure, axes = make_axes(4.2, 3.4)
    axes.plot([0, *alarms], [0, *recall], color=BLUE, label="ROC: recall over FPR")
    axes.plot(recall, precision, color=GREY, label="precision over recall")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=9)
    return to_svg(figure)


def plot_histogram(values: np.ndarray, title: str) -> str:
    """Plot how often values [N] occur."""
    figure, axes = make_axes(4.2, 2.2)
    axes.hist(values, bins=BINS, color=BLUE, alpha=0.8)
    axes.set_xlabel(title, fontsize=9)
    axes.set_ylabel("molecules", fontsize=9)
    return to_svg(figure)
