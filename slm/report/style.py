"""The house style: colours, lines and type, the same in every figure and on every page."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType, RcKeyType

INK = "#1f2430"
PAPER = "#ffffff"
GRID = "#dfe3ea"
MUTED = "#737b8c"

# Wong's colour-blind-safe palette (Nature Methods 8, 441, 2011), its yellow darkened to be read on white, and two
# neutral tones. One colour an algorithm, in every figure.
ALGORITHM_COLOURS = {
    "PPO": "#0072b2",
    "A2C": "#d55e00",
    "SAC": "#009e73",
    "CrossQ": "#cc79a7",
    "DQN": "#e69f00",
    "DDQN+PER": "#56b4e9",
    "REINFORCE": "#a08a00",
    "SARSA": "#7a5195",
}
OTHER_COLOURS = ("#555b66", "#8c510a")
# A second experiment with the same algorithm on the same environment has the same colour and the next dash pattern.
DASHES: tuple[LineStyleType, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def algorithm_colour(algorithm: str) -> str:
    """The colour of an algorithm's label; one not listed gets one of two other colours, always the same."""
    if algorithm in ALGORITHM_COLOURS:
        return ALGORITHM_COLOURS[algorithm]
    return OTHER_COLOURS[hashlib.sha256(algorithm.encode()).digest()[0] % len(OTHER_COLOURS)]


def figure_settings(salt: str) -> dict[RcKeyType, Any]:
    """matplotlib settings of every figure; `salt` makes the element ids of an SVG a pure function of its content."""
    return {
        "svg.hashsalt": salt,
        # Text stays text: readable by search and screen readers, and a tenth of the size.
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": GRID,
        "axes.labelcolor": MUTED,
        "axes.titlecolor": INK,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.facecolor": PAPER,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": PAPER,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }
