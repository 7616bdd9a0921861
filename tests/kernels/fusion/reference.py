"""What two other projects compute, stated in plain NumPy on whole images in float64.

Written from the published formulas and found, by trial against their recorded output, to give their bits:
focusstack 0.1 (pyramid fusion after Wang and Chang 2011) and momonala/focus-stack (arg-max of the
Laplacian of the Gaussian). Frames are (y, x, 3) in the channel order of `cv2.imread`: blue, green, red.
"""

import cv2
import numpy as np

WEIGHTS = np.array([0.05, 0.25, 0.4, 0.25, 0.05])
BLUE_GREEN_RED = np.array([0.114, 0.587, 0.299])
MIN_SIZE = 32
BOX = 5


def focusstack(stack: np.ndarray) -> np.ndarray:
    """Pyramid fusion before it is made an image again: float64, with undershoots below 0 as they come."""
    levels = int(np.log2(min(stack.shape[1:3]) / MIN_SIZE))
    lows = [frame.astype(np.float64) for frame in stack]
    detail = []
    for _ in range(levels):
        smaller = [smooth(low)[::2, ::2] for low in lows]
        bands = [low - enlarge(small, low.shape[:2]) for low, small in zip(lows, smaller, strict=True)]
        energies = [smooth((band @ BLUE_GREEN_RED) ** 2) for band in bands]
        detail.append(pick(bands, np.argmax(energies, axis=0)))
        lows = smaller
    image = base(lows, stack.dtype)
    for band in reversed(detail):
        image = enlarge(image, band.shape[:2]) + band
    return image


def mirrored(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The image as focusstack 0.1 saves it: undershoots turned bright, fractions cut off."""
    return np.clip(np.abs(image), 0, np.iinfo(dtype).max).astype(dtype)


def base(lows: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Mean of the frames with the largest 'entropy' and the largest variance of grey in a box.

    Grey is cut to the whole numbers of the stack's dtype; p is counted over each frame's whole base.
    """
    surprise, variance = [], []
    for low in lows:
        grey = (low @ BLUE_GREEN_RED).astype(dtype)
        share = np.bincount(grey.ravel()) / grey.size
        logs = np.log(share, out=np.zeros_like(share), where=share > 0)
        surprise.append(boxes(grey * -logs[grey]).sum(axis=(2, 3)))
        variance.append(boxes(grey.astype(np.float64)).var(axis=(2, 3)))
    return (pick(lows, np.argmax(surprise, axis=0)) + pick(lows, np.argmax(variance, axis=0))) / 2


def pick(images: list[np.ndarray], winner: np.ndarray) -> np.ndarray:
    """Pixels of the winning image; the first wins a tie as `numpy.argmax` has it."""
    return np.take_along_axis(np.stack(images), winner[None, ..., None], axis=0)[0]


def smooth(image: np.ndarray) -> np.ndarray:
    """The generating kernel in y and x, mirrored about the outermost pixels."""
    padded = np.pad(image, ((2, 2), (2, 2)) + ((0, 0),) * (image.ndim - 2), mode="reflect")
    height, width = image.shape[:2]
    rows = sum(weight * padded[i : i + height] for i, weight in enumerate(WEIGHTS))
    return sum(weight * rows[:, i : i + width] for i, weight in enumerate(WEIGHTS))


def enlarge(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Zeros between the samples, smooth, and cut what is too much at the right and bottom."""
    sparse = np.zeros((2 * image.shape[0], 2 * image.shape[1], *image.shape[2:]))
    sparse[::2, ::2] = image
    return 4 * smooth(sparse)[: shape[0], : shape[1]]


def boxes(image: np.ndarray) -> np.ndarray:
    """Every pixel's neighbourhood (y, x, BOX, BOX)."""
    padded = np.pad(image, BOX // 2, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, (BOX, BOX))


def blurred_grey(stack: np.ndarray) -> np.ndarray:
    """momonala's image before the Laplacian: 8-bit grey, smoothed to 8 bits again."""
    greys = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_BGR2GRAY) for frame in stack]
    return np.stack([cv2.GaussianBlur(grey, (5, 5), 0) for grey in greys])


def momonala(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image and focus (z, y, x) of momonala/focus-stack without its alignment; the last wins a tie."""
    focus = np.stack([cv2.Laplacian(grey, cv2.CV_64F, ksize=5) for grey in blurred_grey(stack)])
    size = np.abs(focus)
    last = len(stack) - 1 - np.argmax(size[::-1], axis=0)
    return pick(list(stack), last), focus
