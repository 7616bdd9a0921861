"""Textures, depths and masks: functions of the position, each what its name says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.synthetic import masks, textures
from bigstack.synthetic.depths import DEPTHS, DepthImage, Plane, Ramp
from bigstack.synthetic.plane import Box
from bigstack.synthetic.textures import PHOTOGRAPHS, TEXTURES, Picture, Print, texture_of

SHAPE = (90, 120)
DRAWN = {name: texture_of(name, 5) for name in (*TEXTURES, *PHOTOGRAPHS)}
DRAWN["picture"] = Picture(np.random.default_rng(0).random((13, 17, 3)).astype(np.float32), (3, 4), 0.5)
MASKS = {
    "disc": masks.Disc(40.3, 50.1, 20.0),
    "rectangle": masks.Rectangle(40.0, 60.0, 31.0, 50.0, 30.0),
    "half plane": masks.HalfPlane(40.0, 60.0, 20.0, 5.0, 60.0),
    "hair": masks.Hair(40.0, 60.0, 70.0, 2.0),
    "union": masks.Union((masks.Disc(5, 5, 9.0), masks.Hair(40.0, 60.0, 10.0, 1.0))),
    "image": masks.MaskImage(np.eye(30, dtype=bool)),
}
SURFACES = {name: make(5, SHAPE, 1.0, 9.0) for name, make in DEPTHS.items()}
SURFACES["image"] = DepthImage(np.linspace(0, 5, 90 * 120).reshape(SHAPE))

boxes = st.builds(
    lambda y, x, h, w: Box(y, y + h, x, x + w),
    st.integers(-300, 1500),
    st.integers(-300, 1500),
    st.integers(1, 40),
    st.integers(1, 40),
)


@settings(max_examples=10, deadline=None)
@given(box=boxes)
@pytest.mark.parametrize("name", DRAWN)
def test_textures_are_functions_of_the_position(name, box):
    around = box.grow(13)
    drawn = DRAWN[name].sample(box, 3)
    assert drawn.shape == (*box.shape, 3)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, DRAWN[name].sample(around, 3)[box.inside(around)])


@settings(max_examples=10, deadline=None)
@given(box=boxes)
@pytest.mark.parametrize("name", [*MASKS, *SURFACES])
def test_masks_and_depths_are_functions_of_the_position_and_within_bounds(name, box):
    thing = MASKS.get(name, SURFACES.get(name))
    around = box.grow(7)
    drawn = thing.sample(box)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, thing.sample(around)[box.inside(around)])
    low, high = thing.bounds if name in SURFACES and name not in MASKS else (0, 1)
    assert drawn.min() >= low - 1e-5
    assert drawn.max() <= high + 1e-5


@pytest.mark.parametrize("name", [n for n in DRAWN if n != "highlights"])
@pytest.mark.parametrize("channels", [1, 3])
def test_textures_stay_within_full_scale_and_all_but_flat_have_texture(name, channels):
    drawn = DRAWN[name].sample(Box(0, 300, 0, 300), channels)
    assert drawn.shape == (300, 300, channels)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert (drawn.std(axis=(0, 1)).mean() > 0.02) == (name != "flat")


def test_highlights_go_far_beyond_full_scale_in_few_pixels():
    drawn = DRAWN["highlights"].sample(Box(0, 400, 0, 400), 3)
    assert drawn.max() > 10
    assert 0.0005 < (drawn > 1).mean() < 0.02


def test_fractal_noise_has_amplitude_one_over_frequency():
    drawn = textures.Fractal(3).sample(Box(0, 1024, 0, 1024), 1)[..., 0]
    power = np.abs(np.fft.rfft2(drawn - drawn.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(1024)[:, None], np.fft.rfftfreq(1024))
    bands = [(frequency > f) & (frequency < 1.2 * f) for f in (0.02, 0.04, 0.08, 0.16, 0.32)]
    levels = np.log2([power[band].mean() for band in bands])
    np.testing.assert_allclose(np.diff(levels), -2, atol=0.25)  # power falls fourfold an octave


def test_patches_are_flat_where_they_say_so():
    texture = DRAWN["patches"]
    box = Box(0, 500, 0, 500)
    flat, drawn = texture.flatness(box), texture.sample(box, 3)
    assert 0.05 < (flat == 1).mean() < 0.5
    inside = (flat == 1) & (np.roll(flat, 1, axis=1) == 1)
    assert np.abs(drawn - np.roll(drawn, 1, axis=1))[inside].max() == 0
    base = texture.base.sample(box, 3)
    np.testing.assert_array_equal(drawn[flat == 0], base[flat == 0])


def test_pictures_are_shown_as_they_are():
    image = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    drawn = texture_of(image, 0).sample(Box(0, 20, 0, 30), 3)
    np.testing.assert_array_equal(np.rint(drawn * 255), image)
    grey = texture_of(image[..., 0].astype(np.uint16) * 257, 0).sample(Box(0, 20, 0, 30), 1)
    np.testing.assert_allclose(grey[..., 0], image[..., 0] / 255, atol=1e-6)


def test_a_print_shows_its_photograph_within_a_white_border():
    import skimage.data

    picture = Print("chelsea", 300.0, 400.0)  # 300 x 451
    whole = picture.sample(Box(0, 600, 0, 800), 3)
    photograph = skimage.data.chelsea()
    shown = whole[151:449, 176:625]
    np.testing.assert_allclose(
        shown * 255, (photograph[0:298, 1:450] + photograph[1:299, 1:450] * 1.0) / 2, atol=45
    )
    assert np.allclose(whole[:140], 0.96)
    cover = picture.outline(10.0).sample(Box(0, 600, 0, 800))
    assert cover.sum() == pytest.approx(320 * 471, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "area"),
    [("disc", np.pi * 20**2), ("rectangle", 31 * 50)],
)
def test_masks_cover_their_area(name, area):
    assert MASKS[name].sample(Box(-50, 200, -50, 200)).sum() == pytest.approx(area, rel=2e-3)


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0, 3.5])
def test_hairs_are_as_wide_as_they_say(width):
    slanted = masks.Hair(50.0, 0.0, 3.0, width, wave=0.0).sample(Box(0, 100, 0, 500))
    assert slanted.sum(axis=0).mean() * np.cos(np.radians(3.0)) == pytest.approx(width, rel=0.01)


def test_ramp_runs_from_near_to_far_over_the_image():
    right = Ramp(2.0, 7.0, (10, 21)).sample(Box(0, 10, 0, 21))
    np.testing.assert_allclose(right, np.broadcast_to(np.linspace(2, 7, 21), (10, 21)), atol=1e-6)
    down = Ramp(2.0, 7.0, (10, 21), angle=90.0).sample(Box(0, 10, 0, 21))
    np.testing.assert_allclose(down, np.broadcast_to(np.linspace(2, 7, 10)[:, None], (10, 21)), atol=1e-6)


@pytest.mark.parametrize("name", ["ramp", "bump", "smooth"])
def test_surfaces_use_most_of_their_range_and_are_smooth(name):
    depth = DEPTHS[name](3, (400, 500), 0.0, 19.0).sample(Box(0, 400, 0, 500))
    assert depth.max() - depth.min() > 0.7 * 19
    assert np.abs(np.diff(depth, axis=0)).max() < 0.5
    assert np.abs(np.diff(depth, axis=1)).max() < 0.5


def test_plane_is_flat():
    assert (Plane(3.25).sample(Box(-1, 2, 0, 4)) == 3.25).all()


def test_what_no_texture_is_called_is_refused():
    with pytest.raises(InputError, match="did you mean 'photo'"):
        texture_of("photos", 0)
    with pytest.raises(InputError, match="dims"):
        texture_of(np.zeros(3), 0)
