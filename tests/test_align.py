"""Alignment of stacks from end to end: accuracy, oddities, modes, laziness, and real photographs."""

from itertools import pairwise

import cv2
import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import bigstack.align as align
from bigstack.align import apply_alignment, estimate_alignment, reference_number
from bigstack.errors import InputError
from bigstack.fusion import fuse
from bigstack.geometry.alignment import Alignment
from bigstack.geometry.transform import Transform
from bigstack.io.lazy import source_of
from bigstack.kernels.registration.features import FeatureOptions
from bigstack.kernels.registration.plausible import Limits
from bigstack.synthetic import render_stack

SHAPE = (240, 320)


@pytest.fixture(scope="module")
def moving():
    """Twelve frames that breathe by 5 %, turn by 1 degree, shift, flicker; and their truth."""
    rng = np.random.default_rng(0)
    made = render_stack(
        shape=SHAPE,
        frames=12,
        channels=3,
        depth="smooth",
        blur_per_frame=0.5,
        breathing=0.05,
        rotation=np.linspace(-0.5, 0.5, 12),
        shift=np.cumsum(rng.uniform(-2, 2, (12, 2)), axis=0),
        flicker=0.1,
        noise=(2.0, 0.0),
        reference=6,
    ).compute()
    return made.stack, made.truth.transform.values


def lazy(stack, chunk=(1, 100, 130, 3)):
    return stack.copy(data=da.from_array(stack.values, chunks=chunk))


def misses(alignment, truth):
    back = np.linalg.inv(truth[alignment.reference])
    return np.array(
        [
            frame.transform.corner_distance(Transform.of(t @ back), alignment.shape)
            for frame, t in zip(alignment.frames, truth, strict=True)
        ]
    )


@pytest.mark.parametrize("mode", ["global", "chain", "direct"])
def test_corners_are_found_to_a_tenth(moving, mode):
    stack, truth = moving
    found = estimate_alignment(stack, mode=mode)
    assert found.mode == mode
    assert np.median(misses(found, truth)) < 0.1
    assert misses(found, truth).max() < 0.3
    assert found.flagged == ()
    assert found.frames[6].transform.is_identity
    assert all(frame.residual < 0.2 and frame.inliers >= 20 for frame in found.frames)
    assert max(frame.error for frame in found.frames) < 0.3


@pytest.mark.parametrize("method", ["features", "ecc", "phase"])
def test_every_method_leads_there_and_gives_its_own_without_patches(moving, method):
    stack, truth = moving
    assert misses(estimate_alignment(stack, method=method), truth).max() < 0.3
    alone = estimate_alignment(stack, method=method, refine=False)
    assert misses(alone, truth).max() < {"features": 1.0, "ecc": 1.0, "phase": 12.0}[method]
    assert misses(alone, truth).max() > misses(estimate_alignment(stack, method=method), truth).max()


@pytest.mark.parametrize("model", ["affine", "homography"])
def test_richer_models_find_a_similarity_too(moving, model):
    stack, truth = moving
    assert np.median(misses(estimate_alignment(stack, model=model), truth)) < 0.3


def test_translation_finds_shifts_alone():
    shift = np.array([[0, 0], [3.5, -2.25], [-1.5, 6.0], [8.0, 1.0], [2.0, 2.0]])
    made = render_stack(shape=SHAPE, frames=5, channels=1, blur_per_frame=0.4, shift=shift, reference=0)
    found = estimate_alignment(made.stack, model="translation", reference="first")
    assert misses(found, made.truth.transform.values).max() < 0.1
    assert all(np.array_equal(f.transform.matrix[:2, :2], np.eye(2)) for f in found.frames)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_other_dtypes_and_one_channel_of_many(moving, dtype):
    stack, truth = moving
    values = stack.values.astype(dtype) * (257 if dtype == "uint16" else np.float32(1 / 255))
    noise = np.random.default_rng(1).integers(0, 200, values[..., :1].shape).astype(dtype)
    noisy = xr.DataArray(
        np.concatenate([noise, values[..., 1:2]], axis=3),
        dims=stack.dims,
        coords={"channel": ["noise", "signal"]},
    )
    found = estimate_alignment(noisy, channel="signal")
    assert misses(found, truth).max() < 0.3
    with pytest.raises(InputError, match="signal"):
        estimate_alignment(noisy, channel="signl")
    assert apply_alignment(noisy, found).dtype == dtype


def test_a_still_stack_comes_back_untouched():
    made = render_stack(
        shape=SHAPE, frames=9, channels=1, depth="bump", blur_per_frame=0.8, flicker=0.1, noise=(3.0, 0.0)
    )
    found = estimate_alignment(made.stack)
    assert found.is_identity
    assert apply_alignment(made.stack, found) is made.stack


def test_a_slow_drift_is_not_taken_for_stillness():
    shift = np.linspace(0, 0.9, 10)[:, None] * (1, -1)
    made = render_stack(shape=SHAPE, frames=10, channels=1, blur_per_frame=0.3, shift=shift, reference=0)
    found = estimate_alignment(made.stack, reference="first")
    assert not found.is_identity
    assert misses(found, made.truth.transform.values).max() < 0.3


def test_the_answer_does_not_depend_on_chunks_or_workers(moving):
    stack, _ = moving
    expected = estimate_alignment(stack).to_json()
    with dask.config.set(scheduler="synchronous"):
        assert estimate_alignment(lazy(stack)).to_json() == expected
    assert estimate_alignment(lazy(stack, (5, 240, 320, 3))).to_json() == expected
    # Patches that are read again, instead of frames that are kept, are the same patches.
    small = estimate_alignment(lazy(stack), memory=12 * 240 * 320 * 2)
    assert small.to_json() == expected


def spoiled(stack):
    values = stack.values.copy()
    values[2] = cv2.GaussianBlur(values[2], (0, 0), 12)
    values[4] = np.random.default_rng(0).integers(0, 6, values[4].shape)
    values[9] = np.roll(values[9], 160, axis=1)
    return stack.copy(data=values).assign_attrs(files=[f"/photos/img_{z}.jpg" for z in range(12)])


def test_bad_frames_are_named_and_the_rest_keeps_its_figure(moving):
    stack, truth = moving
    found = estimate_alignment(spoiled(stack), on_misaligned="interpolate")
    assert set(found.flagged) == {2, 4, 9}
    assert "blurred" in found.frames[2].flags
    assert "no structure" in found.frames[4].flags
    good = [z for z in range(12) if z not in found.flagged]
    assert np.median(misses(found, truth)[good]) < 0.1
    assert misses(found, truth)[good].max() < 0.3
    assert misses(found, truth)[[2, 4]].max() < 6
    assert not found.frames[4].dropped


def test_bad_frames_stop_the_run_by_name_or_are_left_out(moving):
    stack, _ = moving
    with pytest.raises(InputError, match=r"img_4\.jpg: no structure.*on_misaligned='drop'"):
        estimate_alignment(spoiled(stack))
    found = estimate_alignment(spoiled(stack), on_misaligned="drop")
    assert 4 not in found.kept
    applied = apply_alignment(spoiled(stack), found)
    assert applied.sizes["z"] == len(found.kept)
    assert list(applied.coords["z"].values) == list(found.kept)
    assert "/photos/img_4.jpg" not in applied.attrs["files"]


def test_limits_refuse_and_hold_still(moving):
    stack, truth = moving
    with pytest.raises(InputError, match=r"frame 0: .*scale .* beyond 1.01"):
        estimate_alignment(stack, limits=Limits(scale=1.01))
    still = estimate_alignment(stack, limits=Limits(rotation=0))
    assert np.abs(still.decompose()["rotation"]).max() < 1e-6
    assert np.abs(still.decompose()["scale"] - 1).max() > 0.02
    assert misses(still, truth).max() > 0.5


def test_breathing_is_smooth_when_asked(moving):
    stack, truth = moving
    rough, smooth = (estimate_alignment(stack, smooth_scale=s) for s in (False, True))
    bends = [np.abs(np.diff(np.log(a.decompose()["scale"]), 2)).max() for a in (rough, smooth)]
    assert bends[1] < bends[0] / 2
    assert misses(smooth, truth).max() < 0.3


def test_aligned_tiles_do_not_depend_on_chunks(moving):
    stack, _ = moving
    found = estimate_alignment(stack)
    expected = apply_alignment(stack, found).values
    for chunk in ((1, 100, 130, 3), (7, 33, 240, 3)):
        assert np.array_equal(apply_alignment(lazy(stack, chunk), found).values, expected)
    part = apply_alignment(lazy(stack), found).isel(z=slice(2, 5), y=slice(11, 57), x=slice(201, 320))
    assert np.array_equal(part.values, expected[2:5, 11:57, 201:320])


def test_crop_is_a_part_of_the_canvas_without_made_up_pixels(moving):
    stack, _ = moving
    found = estimate_alignment(stack)
    canvas, cropped = apply_alignment(stack, found), apply_alignment(stack, found, crop=True)
    tile = found.common_tile()
    assert cropped.shape[1:3] == tile.shape
    assert cropped.coords["y"].values[0] == stack.coords["y"].values[tile.y0]
    assert np.array_equal(cropped.values, canvas.values[:, *tile.slices])
    source = source_of(cropped.data)
    whole = slice(0, tile.shape[0]), slice(0, tile.shape[1])
    assert all(source.valid(z, *whole) is None for z in range(12))
    assert any(source_of(canvas.data).valid(z, slice(0, 240), slice(0, 320)) is not None for z in range(12))


@pytest.mark.parametrize("method", ["pyramid", "select"])
def test_made_up_pixels_never_win(method):
    rng = np.random.default_rng(0)
    values = np.full((3, 96, 128, 1), 100, np.uint8)
    values[0] += rng.integers(0, 3, values[0].shape, dtype=np.uint8)
    values[1:, :, 40:] = rng.integers(0, 255, (2, 96, 88, 1), dtype=np.uint8)
    stack = xr.DataArray(da.from_array(values, chunks=(1, 48, 64, 1)), dims=("z", "y", "x", "channel"))
    away = [Transform.of([[1, 0, x], [0, 1, 0], [0, 0, 1]]) for x in (0, 60, 70)]
    aligned = apply_alignment(stack, Alignment.of(away, (96, 128)), border="constant", border_value=255)
    index = fuse(aligned, method=method).index.values
    assert (index[:, 74:] == 0).all()


def test_fusing_aligned_frames_shows_the_scene_and_unaligned_ones_do_not():
    made = render_stack(
        shape=SHAPE,
        frames=8,
        channels=1,
        depth="ramp",
        breathing=0.08,
        shift=5.0,
        noise=(1.0, 0.0),
        reference=4,
    ).compute()
    truth = made.truth.image.values
    found = estimate_alignment(made.stack, reference=4)
    inner = slice(30, -30), slice(40, -40)
    errors = [
        np.sqrt(np.mean((fuse(stack).image.values[inner].astype(float) - truth[inner]) ** 2))
        for stack in (made.stack, apply_alignment(made.stack, found))
    ]
    assert errors[1] < errors[0] / 2


def test_references():
    assert reference_number("middle", 12) == 6
    assert reference_number(-1, 12) == 11
    for wrong in ("centre", 12, -13, "1.5"):
        with pytest.raises(InputError, match="reference"):
            reference_number(wrong, 12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "sift"}, "alignment method"),
        ({"model": "rigid"}, "alignment model"),
        ({"mode": "step"}, "alignment mode"),
        ({"on_misaligned": "skip"}, "on_misaligned"),
        ({"patch_size": 8}, "patch_size"),
        ({"patches": 1}, "patches"),
        ({"features": FeatureOptions(detector="SURF")}, "SURF is patented"),
        ({"limits": Limits(overlap=3)}, "overlap"),
    ],
)
def test_options_without_meaning_are_refused(options, says):
    stack = xr.DataArray(da.ones((2, 32, 32, 1), dtype="uint8"), dims=("z", "y", "x", "channel"))
    with pytest.raises(InputError, match=says):
        estimate_alignment(stack, **options)
    with pytest.raises(InputError, match="expected an Alignment"):
        apply_alignment(stack, [np.eye(3)] * 2)
    with pytest.raises(InputError, match="DataArray with dims"):
        estimate_alignment(np.ones((2, 32, 32, 1), np.uint8))


def test_two_frames_and_one_frame():
    made = render_stack(shape=SHAPE, frames=2, channels=1, blur_per_frame=0.5, shift=4.0, reference=0)
    found = estimate_alignment(made.stack, reference=0)
    assert misses(found, made.truth.transform.values).max() < 0.2
    alone = estimate_alignment(made.stack.isel(z=[0]))
    assert alone.is_identity


def block_residuals(stack, size=96):
    """Shifts in pixels between neighbours of blocks that are sharp in both, by scikit-image.

    Nothing of the package's own. Blocks count that have contrast, correlate, and have half of the best
    sharpness any frame has of them: the edges of blurred ones move with the blur.
    """
    from skimage.registration import phase_cross_correlation

    frames = [
        cv2.cvtColor(np.ascontiguousarray(f), cv2.COLOR_RGB2GRAY).astype(np.float32) for f in stack.values
    ]
    bands = [cv2.GaussianBlur(f, (0, 0), 1) - cv2.GaussianBlur(f, (0, 0), 6) for f in frames]
    smooth = [cv2.GaussianBlur(f, (0, 0), 1) for f in frames]
    sharp = np.array([cv2.blur(np.abs(cv2.Laplacian(f, cv2.CV_32F)), (size + 1, size + 1)) for f in smooth])
    best = sharp.max(axis=0)
    window = np.outer(np.hanning(size), np.hanning(size))
    found = []
    for (a, b), (p, q) in zip(pairwise(bands), pairwise(sharp / best), strict=True):
        for y in range(size // 2, a.shape[0] - size, size):
            for x in range(size // 2, a.shape[1] - size, size):
                one, other = (band[y : y + size, x : x + size] * window for band in (a, b))
                strength = np.sqrt((one**2).sum() * (other**2).sum())
                centre = y + size // 2, x + size // 2
                contrast = min(one.std(), other.std()) > 0.4 * min(a.std(), b.std())
                if contrast and min(p[centre], q[centre]) > 0.5 and (one * other).sum() > 0.8 * strength:
                    shift = phase_cross_correlation(one, other, upsample_factor=50, normalization=None)[0]
                    found.append(np.hypot(*shift))
    return np.array(found)


def test_real_stacks_are_aligned_by_an_independent_measure(shared):
    from bigstack.io.open import open_stack

    stack = open_stack(shared / "data" / "macro_pcb")
    found = estimate_alignment(stack)
    aligned = apply_alignment(stack, found)
    residuals = block_residuals(aligned)
    assert len(residuals) > 50
    assert np.median(residuals) <= 0.3
    before, after = corner_motion(stack), corner_motion(aligned)
    assert before > 3
    assert after < before / 10


def corner_motion(stack):
    """Median motion of the corners between neighbours by OpenCV's key points alone."""
    frames = [cv2.cvtColor(np.ascontiguousarray(f), cv2.COLOR_RGB2GRAY) for f in stack.values]
    sift = cv2.SIFT_create(2000)
    points = [sift.detectAndCompute(f, None) for f in frames]
    corners = np.array([[0, 0, 1], [2047, 0, 1], [2047, 1535, 1], [0, 1535, 1]]).T
    moves = []
    for (a, first), (b, second) in pairwise(points):
        pairs = [m for m, n in cv2.BFMatcher().knnMatch(first, second, k=2) if m.distance < 0.7 * n.distance]
        here = np.float32([a[m.queryIdx].pt for m in pairs])
        there = np.float32([b[m.trainIdx].pt for m in pairs])
        matrix = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=2)[0]
        moves.append(np.hypot(*(matrix @ corners - corners[:2])).max())
    return np.median(moves)


@pytest.mark.parametrize("name", ["tif16_mito", "zstack_ome/E08_s2.ome.tif", "amber_handheld"])
def test_microscope_stacks_that_stand_still_are_left_alone(shared, name):
    from bigstack.io.open import open_stack

    stack = open_stack(shared / "data" / name)
    found = estimate_alignment(stack)
    assert found.is_identity
    assert apply_alignment(stack, found) is stack


def test_one_knock_in_a_still_stack_is_seen():
    shift = np.where(np.arange(12) < 7, 0.0, 0.8)[:, None] * (1, -1)
    made = render_stack(
        shape=SHAPE,
        frames=12,
        channels=1,
        depth="ramp",
        blur_per_frame=0.8,
        shift=shift,
        noise=(2.0, 0.0),
        reference=0,
    )
    found = estimate_alignment(made.stack, reference="first")
    assert not found.is_identity
    assert misses(found, made.truth.transform.values).max() < 0.3


def test_a_hard_rail_stack_is_found_from_end_to_end(shared):
    from bigstack.io.open import open_stack

    found = estimate_alignment(open_stack(shared / "data" / "rail_button"))
    scales = found.decompose()["scale"]
    assert scales[-1] / scales[0] == pytest.approx(1.163, abs=0.008)
    assert (np.diff(scales) > 0).all()
    assert found.flagged == ()


def test_frame_names_come_from_files():
    stack = xr.DataArray(np.zeros((2, 4, 4, 1), np.uint8), dims=("z", "y", "x", "channel"))
    assert align.frame_names(stack) is None
    assert align.frame_names(stack.assign_attrs(files=["/a/b.jpg", "/a/c.jpg"])) == ["b.jpg", "c.jpg"]
    assert align.frame_names(stack.assign_attrs(files=["/a/all.tif"])) is None


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (5, 7), (15, 40), (33, 31)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_frames_too_small_or_empty_to_align_are_left_alone_or_refused(shape, dtype):
    noise = (np.random.default_rng(0).random((3, *shape, 1)) * 200).astype(dtype)
    if dtype == "float32":
        noise[1], noise[2, 0, 0] = np.nan, np.inf
    for values in (noise, np.full_like(noise, 7)):
        stack = xr.DataArray(values, dims=("z", "y", "x", "channel"))
        found = estimate_alignment(stack, on_misaligned="interpolate")
        assert found.is_identity
    assert estimate_alignment(stack).is_identity


def test_unrelated_frames_are_refused():
    noise = np.random.default_rng(0).integers(0, 255, (3, 128, 160, 1), dtype=np.uint8)
    stack = xr.DataArray(noise, dims=("z", "y", "x", "channel"))
    with pytest.raises(InputError, match=r"2 of 3 frames cannot be aligned: frame 0: no match; frame 2"):
        estimate_alignment(stack)


def _odd_pictures():
    rng = np.random.default_rng(0)
    yield "noise", rng.integers(0, 255, (3, 150, 180, 1), dtype=np.uint8)
    for name, at in {"line": np.s_[:, 70], "stripes": np.s_[:, ::2], "dot": np.s_[:, 70, 90]}.items():
        frames = np.zeros((3, 150, 180, 1), np.uint8)
        frames[at] = 255
        yield name, frames
    frames = np.full((3, 150, 180, 1), np.nan, np.float32)
    frames[0, 50:60] = 1e30
    yield "next to nothing", frames
    frames = np.broadcast_to(rng.integers(0, 255, (1, 150, 1, 1)), (3, 150, 180, 1)).astype(np.uint8)
    yield "bars that move along themselves", np.stack([frames[0], np.roll(frames[1], 3, 0), frames[2]])


@pytest.mark.parametrize(("name", "frames"), list(_odd_pictures()), ids=[name for name, _ in _odd_pictures()])
@pytest.mark.parametrize("model", ["similarity", "homography"])
def test_pictures_that_say_little_give_finite_transforms(name, frames, model):
    stack = xr.DataArray(frames, dims=("z", "y", "x", "channel"))
    found = estimate_alignment(stack, model=model, on_misaligned="interpolate")
    assert np.isfinite([transform.matrix for transform in found.transforms]).all(), name
