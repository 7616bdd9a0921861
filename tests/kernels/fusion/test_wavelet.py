"""Complex wavelet fusion: votes as they are stated, coefficients whole, one frame where it is sharp."""

from collections import Counter

import cv2
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.kernels.complex_wavelet import analyse
from bigstack.kernels.fusion.wavelet import Wavelet, majority, votes

from ...test_fuse import results
from .folding import random_frames, run

INDICES = st.integers(0, 999)


@given(seed=INDICES, rows=st.integers(1, 12), columns=st.integers(1, 12), frames=st.integers(1, 4))
def test_five_of_nine_decide(seed, rows, columns, frames):
    index = np.random.default_rng(seed).integers(0, frames, (rows, columns)).astype(np.uint16)
    wide = np.pad(index, 1, mode="edge")
    expected = index.copy()
    for y, x in np.ndindex(rows, columns):
        winner, count = Counter(wide[y : y + 3, x : x + 3].ravel().tolist()).most_common(1)[0]
        if count >= 5:
            expected[y, x] = winner
    np.testing.assert_array_equal(majority(index), expected)


def test_two_of_three_bands_decide():
    own = [np.array([[1, 1, 2, 3, 1]]), np.array([[1, 2, 2, 2, 2]]), np.array([[1, 2, 1, 3, 3]])]
    voted = votes(own, "bands")
    np.testing.assert_array_equal(voted[0], [[1, 2, 2, 3, 1]])
    np.testing.assert_array_equal(voted[1], [[1, 2, 2, 3, 2]])
    np.testing.assert_array_equal(voted[2], [[1, 2, 2, 3, 3]])
    assert votes(own, "none") is own


@pytest.mark.parametrize("consistency", ["none", "bands", "full"])
def test_every_coefficient_is_that_of_its_frame(consistency):
    frames = random_frames(5, (4, 64, 64, 1), "float32")
    fused = run(Wavelet((), 2, consistency), frames)["image"]
    _, bands = analyse(fused)
    singles = [analyse(frame) for frame in frames]
    # The fused image is real, its coefficients are those taken but for the imaginary parts it lost.
    moduli = [[np.abs(band) for band in single[1]] for single in singles]
    own = [np.argmax([m[n] for m in moduli], axis=0).astype(np.uint16)[..., 0] for n in range(3)]
    taken = votes(own, consistency)
    for n, band in enumerate(bands):
        stacked = np.stack([single[1][n] for single in singles])
        chosen = np.take_along_axis(stacked, taken[n][None, ..., None].astype(int), axis=0)[0]
        assert np.corrcoef(band.real.ravel(), chosen.real.ravel())[0, 1] > 0.7


def test_sharp_halves_are_put_together():
    rng = np.random.default_rng(0)
    sharp = cv2.GaussianBlur(rng.normal(128, 60, (128, 256, 3)), (0, 0), 1).clip(0, 255)
    soft = cv2.GaussianBlur(sharp, (0, 0), 3)
    left = np.arange(256)[:, None] < 128
    frames = np.stack([np.where(left, sharp, soft), np.where(left, soft, sharp)]).astype(np.uint8)
    found = results(da.from_array(frames), method="wavelet", levels=4)
    error = np.abs(found["image"].astype(float) - sharp)
    for side in (slice(10, 110), slice(146, 246)):
        assert error[:, side].mean() < 1.5
    assert (found["index"][:, :100] == 0).mean() > 0.97
    assert (found["index"][:, 156:] == 1).mean() > 0.97


@pytest.mark.parametrize(
    ("options", "words"),
    [({"levels": 0}, "levels must be 1 to 6"), ({"consistency": "all"}, "none, bands, full")],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        results(da.from_array(random_frames(0, (2, 20, 20, 1), "uint8")), method="wavelet", **options)
