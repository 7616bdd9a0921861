"""Depth of a block of frames, and how far it can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigstack.kernels.depth.cone import clean_until
from bigstack.kernels.depth.curve import curve_fit
from bigstack.kernels.depth.fill import fill_holes
from bigstack.kernels.depth.graph_cut import graph_cut
from bigstack.kernels.depth.guided import guided_costs
from bigstack.kernels.depth.measured import measured, texture_over
from bigstack.kernels.depth.noise import noise_sigma
from bigstack.kernels.depth.peak import SMOOTH, spread_of, sub_frame
from bigstack.kernels.depth.recipe import Recipe
from bigstack.kernels.depth.refined import WEIGHTS, Found, guide_of, lumas_of, refined
from bigstack.kernels.depth.sgm import best_label, regularise
from bigstack.kernels.depth.surfaces import by_priority
from bigstack.kernels.depth.three_point import three_point
from bigstack.kernels.depth.tree import Evidence, gather
from bigstack.kernels.depth.uncertainty import confidence, deviation, deviation_of, signs, terms
from bigstack.kernels.depth.volumes import pick
from bigstack.kernels.focus.maps import FocusMap

DEFAULT = Recipe()
TEXTURE = 4.5
"""Energy over the noise's own, less one, from which on a place counts as textured: of 5 to 40 frames of noise
alone it takes about one pixel of a hundred."""
_ROUNDING = 12**-0.5  # standard deviation of rounding to whole numbers
_AGREES = 0.5  # energy at the label over the largest
_STRONG = 20.0  # energy over noise of an object that no regularisation can deny


@dataclass
class Estimate:
    """Maps (y, x) of one block, in frames."""

    depth: np.ndarray
    """float32, with fractions."""
    sigma: np.ndarray
    """Standard deviation of the depth, float32."""
    confidence: np.ndarray
    """Share of the evidence that lies near the depth, 0 to 1, float32."""
    valid: np.ndarray
    """bool: there is texture above the noise at some scale."""
    unobserved: np.ndarray
    """bool: nearer objects' defocus covers the pixel whenever it is in focus."""
    noise: float
    """Standard deviation of the luma's noise."""
    clean: np.ndarray
    """Last frame in which nearer surfaces' defocus does not reach the pixel, float32."""


def estimate(frames: np.ndarray, valid: np.ndarray | None = None, recipe: Recipe = DEFAULT) -> Estimate:
    """Find the depth of frames (z, y, x, channel) by their focus.

    Parameters
    ----------
    frames
        uint8, uint16 or float32.
    valid
        Where pixels are real (z, y, x) bool, None when all are.
    recipe
        How.
    """
    lumas = lumas_of(frames, recipe.channels)
    sigma = luma_noise(lumas, frames.dtype, frames.shape[3], recipe.noise)
    evidence, texture = _evidence(frames, lumas, sigma, valid, recipe)
    del lumas
    label = label_of(evidence, frames, recipe)
    first, spread, fall = between(label, evidence, recipe)
    # A pixel's own energy agrees with its label, which else comes from its surroundings.
    own = convinced(evidence, label) if recipe.priority == "best" else evidence.peak > 1
    depth = refined(frames, Found(first, spread, own, evidence.peak - 1, sigma), recipe)
    # Small near objects that the median took away still cast their defocus.
    seen = own & (evidence.peak > _STRONG)
    clean = clean_until(np.where(seen, np.minimum(first, depth), depth), recipe.blur)
    textured = evidence.snr >= texture
    if recipe.fill:
        depth = fill_holes(depth, np.where(textured, confidence(evidence.log, depth), np.float32(0)))
    if recipe.measure == "tree":
        off = deviation(signs(evidence, depth, first, fall, clean), len(frames))
    else:
        off = deviation_of(terms(evidence, depth, first, fall))
    # Without texture any depth is as good as another.
    anywhere = np.float32(len(frames) / 12**0.5)
    return Estimate(
        depth,
        np.where(textured, off, anywhere),
        confidence(evidence.log, depth),
        textured,
        depth - clean > 1,
        sigma,
        clean,
    )


def _evidence(
    frames: np.ndarray, lumas: np.ndarray, sigma: float, valid: np.ndarray | None, recipe: Recipe
) -> tuple[Evidence, float]:
    """Evidence of the recipe's measure, and the energy over noise from which on a place is textured."""
    invalid = None if valid is None else ~valid
    if recipe.measure == "tree":
        return gather(lumas, sigma, invalid, blur=recipe.blur, reuse=True), TEXTURE
    focus = FocusMap(recipe.measure, recipe.options, recipe.channels, recipe.smoothing)
    return measured(frames, sigma, focus, invalid), texture_over(focus, sigma, len(frames))


def label_of(evidence: Evidence, frames: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Frame (y, x) of every pixel, after the refinements of the volume."""
    log = evidence.log
    if "guided" in recipe.refine:
        log = guided_costs(log, guide_of(frames, log.argmax(axis=0)).image)
    if "sgm" in recipe.refine:
        label = best_label(regularise(log, recipe.step, recipe.jump))
    else:
        label = log.argmax(axis=0)
    if "graph_cut" in recipe.refine:
        label = graph_cut(log, label, step=recipe.step, jump=recipe.jump)
    return by_priority(label, evidence.energy, recipe.priority)


def between(
    label: np.ndarray, evidence: Evidence, recipe: Recipe
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth between frames, the deviation that noise gives it, and how focus falls about it."""
    if recipe.peak == "mixed":
        # Pixels of frames of half the size are twice as large.
        smooth = SMOOTH if recipe.quality == "full" else SMOOTH / 1.5
        return sub_frame(label, evidence.energy, evidence.log, recipe.positions, smooth=smooth)
    rest = spread_of(label, evidence.energy)
    if recipe.peak == "integer":
        return label.astype(np.float32), *rest
    if recipe.peak == "curve":
        return curve_fit(label, evidence.energy, recipe.positions), *rest
    gaussian = recipe.peak == "gaussian"
    return three_point(label, evidence.energy, gaussian=gaussian, positions=recipe.positions), *rest


def luma_noise(lumas: np.ndarray, dtype: np.dtype, channels: int, noise: float | None) -> float:
    """Standard deviation of the luma's noise: as given for the pixels, or as found."""
    if noise is not None:
        return max(noise * (WEIGHTS if channels == 3 else channels**-0.5), 1e-12)
    # Without noise some must be assumed: that of rounding, or a little of the range.
    floor = _ROUNDING if dtype.kind == "u" else 1e-5 * max(float(np.ptp(lumas)), 1e-20)
    return noise_sigma(lumas, floor)


def convinced(evidence: Evidence, label: np.ndarray) -> np.ndarray:
    """Pixels (y, x) whose own energy agrees with their label, which else comes from their surroundings.

    Their votes alone count in the median: mean depth RMSE over nine scenes 1.50 against 1.56 frames.
    """
    return pick(evidence.energy, label) > _AGREES * evidence.peak
