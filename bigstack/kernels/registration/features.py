"""Matched key points: a transform between two frames without any guess, however far apart they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np

from bigstack.errors import InputError, choose
from bigstack.kernels.registration.fit import Fit, fit_transform
from bigstack.kernels.registration.models import map_points, normalised

Detector = Literal["SIFT", "ORB", "AKAZE", "BRISK", "KAZE"]
Matcher = Literal["auto", "flann", "brute"]
Estimator = Literal["ransac", "usac", "magsac", "lmeds"]
DETECTORS: tuple[str, ...] = get_args(Detector)
_BINARY = ("ORB", "AKAZE", "BRISK")
_OWN_POINTS_ONLY = {"AKAZE": ("AKAZE", "KAZE"), "KAZE": ("KAZE", "AKAZE")}
_ESTIMATORS = {
    "ransac": cv2.RANSAC,
    "usac": cv2.USAC_DEFAULT,
    "magsac": cv2.USAC_MAGSAC,
    "lmeds": cv2.LMEDS,
}


@dataclass(frozen=True)
class FeatureOptions:
    """How key points are found, described, matched, and turned into a transform.

    Examples
    --------
    >>> FeatureOptions(detector="ORB").checked().descriptor
    'ORB'
    """

    detector: Detector = "SIFT"
    descriptor: Detector | None = None
    """The detector's own when None. Binary ones (ORB, AKAZE, BRISK) are matched by Hamming distance."""
    max_features: int = 4000
    """Key points kept a frame, the strongest."""
    matcher: Matcher = "auto"
    """`flann`: k-d trees, or hash tables for binary descriptors; `brute`: exact. `auto`: exact up to 4000."""
    trees: int = 5
    """Randomised k-d trees of FLANN."""
    checks: int = 50
    """Leaves that FLANN looks at."""
    ratio: float = 0.75
    """How much nearer than the second best a match must be (Lowe 2004)."""
    estimator: Estimator = "ransac"
    threshold: float = 5.0
    """Distance in pixels, of the image the points were found in, within which a match agrees."""
    confidence: float = 0.999
    iterations: int = 5000
    """Most samples the estimator draws."""
    min_matches: int = 10
    """With fewer matches that agree the frames are not aligned."""

    def checked(self) -> FeatureOptions:
        """The same with the descriptor filled in; InputError for what cannot work."""
        for name in (str(self.detector), str(self.descriptor or self.detector)):
            if name.upper() == "SURF":
                raise InputError(
                    "SURF is patented and not in OpenCV's wheels; use one of " + ", ".join(DETECTORS)
                )
            choose(name, DETECTORS, "feature detector or descriptor")
        descriptor = self.descriptor or self.detector
        points = _OWN_POINTS_ONLY.get(descriptor)
        if points and self.detector not in points:
            raise InputError(
                f"{descriptor} descriptors need key points of {' or '.join(points)}, got {self.detector}"
            )
        choose(self.matcher, get_args(Matcher), "matcher")
        choose(self.estimator, get_args(Estimator), "estimator")
        if not 0 < self.ratio <= 1:
            raise InputError(f"ratio must lie in 0 to 1, got {self.ratio}")
        for name in ("max_features", "trees", "checks", "threshold", "iterations", "min_matches"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be more than 0, got {getattr(self, name)}")
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence must lie between 0 and 1, got {self.confidence}")
        return FeatureOptions(**{**self.__dict__, "descriptor": descriptor})


@dataclass(frozen=True)
class Features:
    """Key points of one frame."""

    points: np.ndarray
    """Coordinates (n, 2), x before y."""
    descriptors: np.ndarray
    """One row a point, float32 or, for binary descriptors, uint8."""


def detect(image: np.ndarray, options: FeatureOptions) -> Features:
    """Find and describe key points of a grey image (y, x) of any dtype."""
    options = options.checked()
    grey = to_bytes(image)
    points = _make(options.detector, options).detect(grey, None)
    points = sorted(points, key=lambda p: (-p.response, p.pt, p.size, p.angle))[: options.max_features]
    points, descriptors = _make(str(options.descriptor), options).compute(grey, points)
    if descriptors is None or not len(points):
        return Features(np.zeros((0, 2)), np.zeros((0, 1), np.float32))
    return Features(np.array([p.pt for p in points], dtype=float), descriptors)


def match(first: Features, second: Features, options: FeatureOptions) -> np.ndarray:
    """Index pairs (n, 2) of points that match and pass the ratio test, one for each point of `second`."""
    options = options.checked()
    if min(len(first.points), len(second.points)) < 2:
        return np.zeros((0, 2), dtype=int)
    found = _matcher(options, max(len(first.points), len(second.points))).knnMatch(
        first.descriptors, second.descriptors, k=2
    )
    good = [m[0] for m in found if len(m) == 2 and m[0].distance < options.ratio * m[1].distance]
    good.sort(key=lambda m: (m.distance, m.queryIdx))
    once = {m.trainIdx: m for m in reversed(good)}
    pairs = sorted((m.queryIdx, m.trainIdx) for m in once.values())
    return np.array(pairs, dtype=int).reshape(-1, 2)


def fit_matches(
    first: np.ndarray,
    second: np.ndarray,
    model: str,
    motions: tuple[str, ...],
    shape: tuple[int, int],
    options: FeatureOptions,
) -> Fit | None:
    """The transform that most matches agree on, or None when too few do.

    A consensus is found by the estimator and then fitted by least squares with the model's own motions.

    Parameters
    ----------
    first, second
        Matched points (n, 2), x before y.
    model
        Model of the consensus.
    motions
        Motions of the final fit.
    shape
        Height and width of the frame.
    options
        Of the estimator.
    """
    options = options.checked()
    needed = max(
        options.min_matches, {"translation": 2, "similarity": 3, "affine": 4, "homography": 5}[model]
    )
    if len(first) < needed:
        return None
    matrix = _consensus(first, second, model, options)
    if matrix is None or not np.isfinite(matrix).all():
        return None
    agree = np.hypot(*(second - map_points(matrix, first)).T) < options.threshold
    if agree.sum() < needed:
        return None
    precision = np.broadcast_to(np.eye(2), (int(agree.sum()), 2, 2))
    start = matrix if set(motions) >= _motions_in(model) else np.eye(3)
    fit = fit_transform(first[agree], second[agree], precision, motions, shape, start=start)
    weights = np.zeros(len(first))
    weights[agree] = fit.weights
    return Fit(fit.matrix, fit.information, weights, fit.residual, fit.spread)


def _motions_in(model: str) -> set[str]:
    from bigstack.kernels.registration.models import motions_of

    return set(motions_of(model))


def _consensus(
    first: np.ndarray, second: np.ndarray, model: str, options: FeatureOptions
) -> np.ndarray | None:
    first, second = first.astype(np.float32), second.astype(np.float32)
    common: dict[str, Any] = {
        "method": _ESTIMATORS[options.estimator],
        "ransacReprojThreshold": options.threshold,
        "maxIters": options.iterations,
        "confidence": options.confidence,
    }
    if model == "homography":
        found = cv2.findHomography(first, second, **common)[0]
        return None if found is None else normalised(found.astype(float))
    if model == "translation":
        return _shift_consensus(second - first, options.threshold)
    if model == "similarity":
        # OpenCV's similarity takes RANSAC and LMedS only.
        common["method"] = cv2.LMEDS if options.estimator == "lmeds" else cv2.RANSAC
    estimate = cv2.estimateAffinePartial2D if model == "similarity" else cv2.estimateAffine2D
    found = estimate(first, second, **common)[0]
    return None if found is None else np.vstack([found, [0, 0, 1]]).astype(float)


def _shift_consensus(shifts: np.ndarray, threshold: float) -> np.ndarray:
    """The shift that most of the others lie near; one point is a sample here, so all of them are tried."""
    trials = shifts[:: max(1, len(shifts) // 1000)]
    near = [(np.hypot(*(shifts - trial).T) < threshold).sum() for trial in trials]
    best = trials[int(np.argmax(near))]
    x, y = shifts[np.hypot(*(shifts - best).T) < threshold].mean(axis=0)
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Stretch a grey image of any dtype to 8 bits between its 0.5 and 99.8 percentiles.

    Examples
    --------
    >>> to_bytes(np.arange(0, 60000, 1000, dtype=np.uint16).reshape(6, 10))[[0, -1], [0, -1]].tolist()
    [0, 255]
    """
    image = np.asarray(image, dtype=np.float32)
    low, high = np.percentile(image, [0.5, 99.8])
    scale = 255 / (high - low) if high > low else 0.0
    return np.clip(np.rint((image - np.float32(low)) * np.float32(scale)), 0, 255).astype(np.uint8)


def _make(name: str, options: FeatureOptions) -> Any:
    # Looked up by name: the stubs of OpenCV 5 know none of these functions.
    if name in ("SIFT", "ORB"):
        return getattr(cv2, f"{name}_create")(nfeatures=options.max_features)
    return getattr(cv2.xfeatures2d, f"{name}_create")()


def _matcher(options: FeatureOptions, count: int) -> Any:
    binary = options.descriptor in _BINARY
    if options.matcher == "brute" or (options.matcher == "auto" and count <= 4000):
        return cv2.BFMatcher(cv2.NORM_HAMMING if binary else cv2.NORM_L2)
    cv2.setRNGSeed(0)  # its trees are drawn at random
    index: dict[str, Any]
    if binary:
        index = {"algorithm": 6, "table_number": 6, "key_size": 12, "multi_probe_level": 1}
    else:
        index = {"algorithm": 1, "trees": options.trees}
    return cv2.FlannBasedMatcher(index, {"checks": options.checks})
