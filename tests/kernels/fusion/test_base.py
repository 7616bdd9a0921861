"""Rules of the base level against their definitions, written out box by box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.fusion.base import Base, box_entropy, box_surprise, box_variance
from bigstack.kernels.fusion.pyramid import Chain
from bigstack.kernels.luminance import luminance

from .folding import DTYPES, random_frames, random_valid, run

KINDS = ("average", "energy", "entropy", "focusstack")
SHAPES = st.tuples(st.integers(1, 14), st.integers(1, 14))


def boxes(image: np.ndarray, size: int):
    """Every pixel's box, mirrored about the outermost pixels as often as it takes."""
    half = size // 2
    for y, x in np.ndindex(image.shape):
        rows, columns = (
            [mirrored(v + k, side) for k in range(-half, half + 1)]
            for v, side in zip((y, x), image.shape, strict=True)
        )
        yield (y, x), image[np.ix_(rows, columns)].ravel()


def mirrored(place: int, side: int) -> int:
    if side == 1:
        return 0
    place %= 2 * (side - 1)
    return min(place, 2 * (side - 1) - place)


def scores(rule, image: np.ndarray, size: int) -> np.ndarray:
    out = np.empty(image.shape)
    for at, box in boxes(image, size):
        out[at] = rule(box)
    return out


def entropy(box: np.ndarray) -> float:
    share = np.unique(box, return_counts=True)[1] / box.size
    return float(-(share * np.log(share)).sum())


@settings(max_examples=25, deadline=None)
@given(
    shape=SHAPES,
    size=st.sampled_from([1, 3, 5, 7]),
    levels=st.sampled_from([2, 5, 256]),
    seed=st.integers(0, 99),
)
def test_entropy_is_shannon_s(shape, size, levels, seed):
    image = np.random.default_rng(seed).integers(0, levels, shape).astype(np.uint8)
    np.testing.assert_allclose(box_entropy(image, size), scores(entropy, image, size), atol=1e-8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, size=st.sampled_from([1, 3, 5, 7]), seed=st.integers(0, 99))
def test_energy_is_the_variance(dtype, shape, size, seed):
    image = random_frames(seed, (1, *shape, 1), "float32" if "float" in dtype else dtype)[0, ..., 0]
    image = image.astype(dtype)
    found = box_variance(image, size)
    expected = scores(lambda box: box.astype(np.float64).var(), image, size)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, size=st.sampled_from([1, 3, 5]), seed=st.integers(0, 99))
def test_surprise_weighs_by_the_grey_value(shape, size, seed):
    image = np.random.default_rng(seed).integers(0, 7, shape)
    share = {int(v): n / image.size for v, n in zip(*np.unique(image, return_counts=True), strict=True)}
    expected = scores(lambda box: -sum(v * np.log(share[int(v)]) for v in box), image, size)
    np.testing.assert_allclose(box_surprise(image, size), expected, rtol=1e-12, atol=1e-12)


def test_equal_boxes_have_equal_scores_wherever_they_are():
    """Ties must be ties to the bit, or rounding decides which frame wins."""
    rng = np.random.default_rng(0)
    members = rng.integers(0, 5, 25).astype(np.uint8)
    images = [rng.permutation(members).reshape(5, 5) for _ in range(20)]
    assert len({box_entropy(image, 5)[2, 2] for image in images}) == 1
    assert len({box_variance(image, 5)[2, 2] for image in images}) == 1
    flat = [np.full((9, 9), value) for value in (0.1, 0.3, 1e9, -7.7)]
    assert all((box_variance(image, 5) == 0).all() for image in flat)


def chain_frames(seed: int, shape: tuple[int, ...], dtype: str, a: float) -> tuple[Chain, np.ndarray]:
    """A chain, and low-passes as it holds them."""
    frames = random_frames(seed, shape, dtype)
    chain = Chain.of(frames.dtype, a)
    if chain.exact:
        return chain, frames.astype(np.uint16) << chain.lift
    return chain, frames.astype(chain.dtype)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    a=st.sampled_from([0.375, 0.4]),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)),
    seed=st.integers(0, 99),
    masked=st.booleans(),
)
def test_the_base_is_the_mean_or_the_best_frame(kind, dtype, a, shape, seed, masked):
    chain, frames = chain_frames(seed, shape, dtype, a)
    valid = random_valid(seed, shape[:3]) if masked else [None] * shape[0]
    found = run(Base(chain, kind, 3), frames, valid)["base"]
    assert found.dtype == ("float64" if chain.dtype == "float64" else "float32")
    real = np.stack([np.ones(shape[1:3], bool) if mask is None else mask for mask in valid])
    if kind == "average":
        expected = mean(frames, real)
    else:
        picks = [best(frames, grey_scores, real) for grey_scores in all_scores(kind, frames, chain)]
        expected = np.mean(picks, axis=0)
    if chain.exact:
        expected = np.floor(expected + 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def mean(frames: np.ndarray, real: np.ndarray) -> np.ndarray:
    out = np.empty(frames.shape[1:])
    for y, x in np.ndindex(frames.shape[1:3]):
        chosen = real[:, y, x]
        out[y, x] = frames[chosen, y, x].astype(float).mean(axis=0) if chosen.any() else frames[0, y, x]
    return out


def best(frames: np.ndarray, values: np.ndarray, real: np.ndarray) -> np.ndarray:
    winner = np.argmax(np.where(real, values, -np.inf), axis=0)
    return np.take_along_axis(frames.astype(float), winner[None, ..., None], axis=0)[0]


def all_scores(kind: str, frames: np.ndarray, chain: Chain) -> list[np.ndarray]:
    """The scores of frames by definition; tested above for one image, here for what they are taken of."""
    grey = np.stack([luminance(frame) for frame in frames]).astype(np.float64) / 2**chain.lift
    low, high = grey.min(), grey.max()
    steps = grey if chain.pixel == "uint8" else (grey - low) / ((high - low) / 255 or 1.0)
    steps = np.rint(steps).astype(np.uint8)
    if kind == "energy":
        return [np.stack([box_variance(image, 3) for image in grey * 2**chain.lift])]
    if kind == "entropy":
        return [np.stack([box_entropy(image, 3) for image in steps])]
    whole = steps.astype(int) if chain.pixel == "float32" else np.floor(grey).astype(int)
    return [np.stack([rule(image, 3) for image in whole]) for rule in (box_surprise, box_variance)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=10, deadline=None)
@given(cuts=st.sets(st.integers(1, 5)), seed=st.integers(0, 99), masked=st.booleans())
def test_merged_blocks_of_z_are_one_pass(kind, dtype, cuts, seed, masked):
    chain, frames = chain_frames(seed, (6, 9, 11, 3), dtype, 0.375)
    valid = random_valid(seed, frames.shape[:3]) if masked else None
    once = run(Base(chain, kind), frames, valid)["base"]
    np.testing.assert_array_equal(run(Base(chain, kind), frames, valid, tuple(cuts))["base"], once)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_of_equal_frames_the_first_wins_and_one_frame_is_itself(kind, dtype):
    chain, frames = chain_frames(0, (1, 12, 13, 3), dtype, 0.375)
    for stack in (frames, np.concatenate([frames] * 3)):
        np.testing.assert_allclose(run(Base(chain, kind), stack)["base"], frames[0], rtol=1e-7)


@pytest.mark.parametrize("kind", ["energy", "entropy"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_texture_beats_brightness(kind, dtype):
    """What the focusstack rule gets wrong: a bright flat frame against a dark one with texture."""
    rng = np.random.default_rng(0)
    dark = rng.integers(20, 60, (16, 16, 1))
    bright = np.full((16, 16, 1), 250)
    bright[::5] += 1
    scale = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
    frames = (np.stack([bright, dark]) * scale).astype(dtype)
    chain = Chain.of(frames.dtype)
    held = frames.astype(np.uint16) << chain.lift if chain.exact else frames
    np.testing.assert_array_equal(run(Base(chain, kind), held)["base"], held[1].astype(np.float32))
