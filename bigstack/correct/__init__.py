"""Photometric corrections of a stack: estimated once as small values, applied lazily as frames are read.

Corrections are chained in the order they are called; each reads from the one before, so a chain makes no
copy of the stack, and fuses in one pass with what comes after it.
"""

from bigstack.correct.balance import correct_balance, estimate_balance
from bigstack.correct.hot_pixels import correct_hot_pixels, estimate_hot_pixels
from bigstack.correct.noise import denoise, estimate_noise_sigma
from bigstack.correct.stacks import apply_correction
from bigstack.correct.vignetting import correct_vignetting, estimate_vignetting

__all__ = [
    "apply_correction",
    "correct_balance",
    "correct_hot_pixels",
    "correct_vignetting",
    "denoise",
    "estimate_balance",
    "estimate_hot_pixels",
    "estimate_noise_sigma",
    "estimate_vignetting",
]
