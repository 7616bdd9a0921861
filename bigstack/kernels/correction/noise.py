"""How noisy a frame is, from one image that has texture too."""

from __future__ import annotations

import numpy as np

MASK_GAIN = 6.0  # standard deviation of the mask's response to white noise of standard deviation 1
_TO_SIGMA = 1.482602218505602  # of the median of absolute values, for a Gaussian


def noise_responses(plane: np.ndarray, top: float | None = None) -> np.ndarray:
    """Absolute responses (n,) float32 to Immerkaer's mask in a patch (y, x); texture hardly excites it.

    The mask, [1 -2 1; -2 4 -2; 1 -2 1], is the difference of two Laplacians (Immerkaer 1996,
    doi:10.1006/cviu.1996.0060). Pixels at 0 or at `top`, where noise is cut off, are left out.
    """
    values = plane.astype(np.float32)
    across = values[:, :-2] - 2 * values[:, 1:-1] + values[:, 2:]
    response = np.abs(across[:-2] - 2 * across[1:-1] + across[2:])
    if top is None:
        return response.ravel()
    centre = values[1:-1, 1:-1]
    return response[(centre > 0) & (centre < top)]


def noise_sigma(responses: np.ndarray, step: float = 0.0) -> float:
    """Standard deviation of the noise from the median of responses; NaN when there are none.

    The median, as most of a frame is out of focus or plain: edges are outliers to it. With integers the
    responses are integers too; `step`, 1, spreads each evenly over itself +- half a step, so that the median
    does not jump.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(0, 3, (200, 200))
    >>> round(noise_sigma(noise_responses(noisy)), 1)
    3.0
    """
    if responses.size == 0:
        return float("nan")
    half = responses.size // 2
    middle = float(np.partition(responses, half)[half])
    if step > 0:
        below = np.count_nonzero(responses < middle - step / 2)
        at = np.count_nonzero(np.abs(responses - middle) <= step / 2)
        low = max(middle - step / 2, 0.0)
        middle = low + (middle + step / 2 - low) * (responses.size / 2 - below) / at
    return middle * _TO_SIGMA / MASK_GAIN
