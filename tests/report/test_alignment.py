"""Plots of alignments show what is in them, and what they rest on."""

import numpy as np
import pytest

from bigstack.errors import InputError, OutputExistsError
from bigstack.geometry.alignment import Alignment
from bigstack.report.alignment import plot_alignment, plot_matches, save_plots
from bigstack.synthetic import render_stack

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def moved():
    made = render_stack(
        frames=3, shape=(240, 320), channels=1, shift=np.array([[0, 0], [3, -2], [6, 1]]), reference=0
    ).compute()
    return made.stack, Alignment.of(made.truth.transform.values, (240, 320))


def test_motion_is_drawn_frame_by_frame(moved):
    _, alignment = moved
    figure = plot_alignment(alignment)
    x, y = (line.get_ydata() for line in figure.axes[0].lines)
    np.testing.assert_allclose(x, alignment.decompose()["shift_x"])
    np.testing.assert_allclose(y, alignment.decompose()["shift_y"])


def test_matches_join_places_that_the_alignment_joins(moved):
    stack, alignment = moved
    figure = plot_matches(stack, alignment, 0, 2)
    lines = np.array(figure.axes[0].collections[0].get_segments())
    across = lines[:, 1] - lines[:, 0] - (320, 0)
    true = alignment.transforms[2].apply(lines[:, 0]) - lines[:, 0]
    assert len(lines) >= 20
    assert np.median(np.abs(across - true)) < 0.2
    assert "patches agree" in figure.get_suptitle()


def test_a_wrong_alignment_shows_as_arrows_of_one_direction(moved):
    stack, alignment = moved
    arrows = plot_matches(stack, Alignment.identity((240, 320), 3), 0, 1).axes[1].collections[0]
    move = alignment.transforms[1].apply([(160, 120)])[0] - (160, 120)
    ratio = np.median(arrows.U) / np.median(arrows.V)
    assert ratio == pytest.approx(move[0] / move[1], rel=0.15)


def test_plots_are_saved_once(moved, tmp_path):
    stack, alignment = moved
    paths = save_plots(alignment, tmp_path, stack=stack)
    assert [path.name for path in paths] == [
        "alignment.png",
        "matches-0000-0001.png",
        "matches-0001-0002.png",
    ]
    with pytest.raises(OutputExistsError, match="overwrite"):
        save_plots(alignment, tmp_path)
    with pytest.raises(InputError, match="another stack"):
        plot_matches(stack.isel(z=slice(2)), alignment, 0, 1)
