import re

import matplotlib
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from slm.report.curves import LearningCurve, plot_curve, plot_environment, suite_figure
from slm.report.figure import figure_files
from slm.report.style import ALGORITHM_COLOURS, DASHES, OTHER_COLOURS, algorithm_colour, figure_settings


@pytest.fixture
def curve(curve_points):
    def make(env="CartPole-v1", algorithm="PPO", experiment="a", published=498.94, target=400.0):
        return LearningCurve(env, algorithm, experiment, curve_points, published, target)

    return make


def suite_svg(suite, curves):
    return figure_files(suite, lambda: suite_figure(curves))[0]


@pytest.fixture
def ax():
    return Figure().subplots()


def test_a_curve_is_mean_band_sessions_and_published_score(ax, curve, curve_points):
    assert plot_curve(ax, curve()) is ax
    session0, session1, mean, published = ax.lines
    assert mean.get_ydata().tolist() == curve_points["return_mean"].tolist()
    assert session0.get_ydata().tolist() == curve_points["return_session0"].tolist()
    assert session0.get_alpha() < 0.5
    assert session1.get_linewidth() < mean.get_linewidth()
    assert set(published.get_ydata()) == {498.94}
    (band,) = ax.collections
    assert band.get_paths()[0].get_extents().y1 == 470.0


def test_a_panel_has_one_target_and_is_named_after_its_environment(ax, curve):
    plot_environment(ax, [curve(), curve(algorithm="A2C", published=None)])
    assert [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":"] == [400.0]
    assert ax.get_title() == "CartPole-v1"


def test_an_algorithm_has_one_colour_everywhere(curve):
    figure = suite_figure([curve(), curve(env="Acrobot-v1"), curve(env="Acrobot-v1", algorithm="A2C")])
    means = [[line for line in ax.lines if line.get_linewidth() == 1.6] for ax in figure.axes]
    colours = [[to_hex(line.get_color()) for line in lines] for lines in means]
    assert colours == [[ALGORITHM_COLOURS["PPO"]], [ALGORITHM_COLOURS["PPO"], ALGORITHM_COLOURS["A2C"]]]


def test_colours_are_distinct_and_unknown_algorithms_keep_theirs():
    assert len({*ALGORITHM_COLOURS.values(), *OTHER_COLOURS}) == len(ALGORITHM_COLOURS) + len(OTHER_COLOURS)
    assert algorithm_colour("Mine") == algorithm_colour("Mine")
    assert algorithm_colour("Mine") in OTHER_COLOURS


def test_two_experiments_of_one_algorithm_differ_in_dashes_and_in_the_legend(curve):
    figure = suite_figure([curve(experiment="a"), curve(experiment="b")])
    means = [line for line in figure.axes[0].lines if line.get_linewidth() == 1.6]
    assert [line.get_linestyle() for line in means] == [DASHES[0], "--"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["PPO (a)", "PPO (b)", "published score", "target"]


def test_panels_fill_a_grid(curve):
    figure = suite_figure([curve(env=f"Env{i}-v1") for i in range(4)])
    assert [ax.get_title() for ax in figure.axes] == [f"Env{i}-v1" for i in range(4)]


def test_svg_bytes_depend_on_the_curves_alone(curve):
    first = suite_svg("demo", [curve()])
    assert suite_svg("demo", [curve()]) == first
    assert suite_svg("demo", [curve(published=100.0)]) != first
    assert "dc:date" not in first
    assert re.search(r"<text[^>]*>CartPole-v1</text>", first)


def test_a_suite_without_a_curve_says_so():
    assert "no session of this suite has been run" in suite_svg("demo", [])


def test_house_style_does_not_leak(curve):
    before = {name: matplotlib.rcParams[name] for name in figure_settings("demo")}
    suite_svg("demo", [curve()])
    assert {name: matplotlib.rcParams[name] for name in before} == before
