"""What a two-image blending script computes, stated on whole images in float64, its faults on request.

Faults: its gradient across x is filtered along y; its mask of 0 and 1 is divided by 255. Both are needed to
give its recorded output.
"""

import cv2
import numpy as np

SIZES = (3, 5, 9, 19, 35)
SECOND = np.array([-1.0, 2.0, -1.0])


def gradients(image: np.ndarray, *, faulty: bool = False) -> np.ndarray:
    across = cv2.filter2D(image, -1, SECOND[:, None] if faulty else SECOND[None, :])
    return np.abs(across) + np.abs(cv2.filter2D(image, -1, SECOND[:, None]))


def soft(difference: np.ndarray, beta: float = 0.1) -> np.ndarray:
    summed = cv2.filter2D(difference, -1, np.ones((3, 3)))
    return 1 / (1 + np.exp(-beta * np.clip(summed, -50, 50)))


def all_channels(back: np.ndarray, front: np.ndarray, *, faulty: bool = False) -> np.ndarray:
    share = soft((gradients(back, faulty=faulty) - gradients(front, faulty=faulty)).sum(axis=2))[..., None]
    return share * back + (1 - share) * front


def by_channel(back: np.ndarray, front: np.ndarray) -> np.ndarray:
    share = soft(gradients(back) - gradients(front))
    return share * back + (1 - share) * front


def laplacian(back: np.ndarray, front: np.ndarray) -> np.ndarray:
    taps = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
    share = soft((cv2.filter2D(back, -1, taps) - cv2.filter2D(front, -1, taps)).sum(axis=2))
    share = cv2.GaussianBlur(share, (0, 0), 3)[..., None]
    return share * back + (1 - share) * front


def mask(back: np.ndarray, front: np.ndarray, side: int, *, faulty: bool = False) -> np.ndarray:
    ones = np.ones((3, 3))
    summed = [cv2.filter2D(gradients(image, faulty=faulty).sum(axis=2), -1, ones) for image in (back, front)]
    return cv2.medianBlur((summed[0] > summed[1]).astype(np.uint8), side).astype(float)


def masked(back: np.ndarray, front: np.ndarray, side: int) -> np.ndarray:
    share = mask(back, front, side)[..., None]
    return share * back + (1 - share) * front


def pyramid(image: np.ndarray, levels: int = 5) -> list[np.ndarray]:
    bands = []
    for _ in range(levels - 1):
        low = cv2.pyrDown(image)
        bands.append(image - cv2.pyrUp(low, dstsize=image.shape[1::-1]))
        image = low
    return [*bands, image]


def at_every_level(rule, back: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Blend by `rule` at all five levels; the one by masks has its sizes."""
    bands = [pyramid(image.astype(float)) for image in (back, front)]
    result = None
    for n in reversed(range(5)):
        sizes = (SIZES[4 - n],) if rule is masked else ()
        level = rule(bands[0][n], bands[1][n], *sizes)
        result = level if result is None else cv2.pyrUp(result, dstsize=level.shape[1::-1]) + level
    return result
