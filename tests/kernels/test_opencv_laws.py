"""Every OpenCV function that a tile's pixels go through, on random windows of an image.

Results must not depend on where a window lies: a tile has to have the bits of the whole image. OpenCV does
not promise that (its float sums differ in the tail of a row), so it is tested here for each function, type
and parameter in use; a new OpenCV that breaks it shows at once. A function that is new in `bigstack.kernels`
needs a law here.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

import bigstack.kernels
from bigstack.kernels.filters import gaussian_taps, smoothing_taps

SHAPES = ((83, 211), (64, 320), (131, 77), (301, 517))
WINDOWS = 60
KERNELS = Path(bigstack.kernels.__file__).parent

FRAMES_NOT_TILES = ("registration", "depth")
CANONICAL = ("depth_blend.py", "glints.py", "blending.py", "depth_map.py", "guided.py", "blend.py")
NO_FILTERS = {"setRNGSeed", "applyColorMap", "calcHist", "remap"}  # remap: tests/kernels/test_warp.py
"""None needs a law: kernels that look at patches at places of the whole frame, or work on canonical blocks,
which no tiling changes; and functions of one pixel, or that count pixels."""

Image = np.ndarray
Maker = Callable[[np.random.Generator, tuple[int, int]], tuple[Image, ...]]


@dataclass(frozen=True)
class Law:
    """`run` on windows of what `make` makes; `halo` in pixels of the input, `down` and `up` the scales."""

    function: str
    case: str
    make: Maker
    run: Callable[..., Image]
    halo: int = 0
    down: int = 1
    up: int = 1


def whole_numbers(dtype: str, channels: int = 0, count: int = 1) -> Maker:
    """Integers of the full range, in float types too."""
    top = {"uint8": 255, "uint16": 65535, "int16": 32640, "float32": 65535}[dtype]
    low = -top if dtype == "int16" else 0

    def make(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Image, ...]:
        full = (*shape, *((channels,) if channels else ()))
        return tuple(rng.integers(low, top + 1, full).astype(dtype) for _ in range(count))

    return make


def real_numbers(channels: int = 0, count: int = 1, dtype: str = "float32") -> Maker:
    """Floats of very different sizes, whose sums are inexact."""

    def make(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Image, ...]:
        full = (*shape, *((channels,) if channels else ()))
        return tuple(
            (rng.normal(size=full) * 10.0 ** rng.integers(-3, 4, full)).astype(dtype) for _ in range(count)
        )

    return make


def squares(bits: int) -> Maker:
    """Squares of whole numbers, rounded to float32, as energies are."""

    def make(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Image, ...]:
        return (np.square(rng.integers(-(2**bits), 2**bits, shape)).astype(np.float32),)

    return make


def rare_holes(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Image, ...]:
    return ((rng.random(shape) > 0.02).astype(np.uint8),)


def masked(dtype: str, channels: int = 0) -> Maker:
    def make(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Image, ...]:
        images = whole_numbers(dtype, channels, 2)(rng, shape)
        return (*images, rng.integers(0, 2, shape, np.uint8) * np.uint8(255))

    return make


def separable(depth: int, rows: tuple[int, ...], columns: tuple[int, ...]) -> Callable[[Image], Image]:
    taps = np.array(columns, float), np.array(rows, float)
    return lambda image: cv2.sepFilter2D(image, depth, *taps)


def box(size: int) -> Callable[[Image], Image]:
    return lambda image: cv2.boxFilter(
        image, -1, (size, size), normalize=False, borderType=cv2.BORDER_REFLECT_101
    )


def copy_to(image: Image, other: Image, mask: Image) -> Image:
    out = other.copy()
    cv2.copyTo(image, mask, out)
    return out


def make_border(image: Image) -> Image:
    return cv2.copyMakeBorder(image, 7, 7, 7, 7, cv2.BORDER_REFLECT_101)[3:-11, 9:-5]


_GAUSS = [gaussian_taps(sigma, bits=bits)[0] for sigma, bits in ((1.0, 14), (2.0, 16), (7.0, 16))]
_TAPS = {
    "laplacian": ((1, 0, -2, 0, 1), (1, 4, 6, 4, 1)),
    "sobel 7": ((-1, -4, -5, 0, 5, 4, 1), (1, 6, 15, 20, 15, 6, 1)),
    "gauss 9": (smoothing_taps(9)[0], smoothing_taps(9)[0]),
    "steps": ((-1, 0, 0, 2, 0, 0, -1), (1,)),
    **{f"gauss {len(taps)}": (taps, taps) for taps in _GAUSS},
}


def laws() -> list[Law]:
    return [*pixel_laws(), *pyramid_laws(), *filter_laws()]


def pixel_laws() -> Iterator[Law]:
    yield Law("subtract", "uint16 to float32", whole_numbers("uint16", 3, 2), wide_subtract)
    yield Law("addWeighted", "sums of disks and rings", sums_of_bytes, weigh_sums)
    for function in (cv2.subtract, cv2.add, cv2.multiply):
        yield Law(function.__name__, "float32", real_numbers(count=2), function)
    for dtype in ("float32", "float64"):
        pair = real_numbers(count=2, dtype=dtype)
        yield Law("compare", dtype, pair, greater)
        yield Law("max", dtype, pair, cv2.max)
    for channels, dtype in product((0, 3, 5), ("int16", "uint16", "float32")):
        yield Law("copyTo", f"{dtype} {channels}", masked(dtype, channels), copy_to)
    for dtype in ("uint8", "uint16"):
        yield Law("cvtColor", dtype, whole_numbers(dtype, 3), lambda a: cv2.cvtColor(a, cv2.COLOR_RGB2GRAY))
        yield Law("LUT", dtype, whole_numbers(dtype), look_up)


def pyramid_laws() -> Iterator[Law]:
    for channels in (0, 3, 5):
        make = whole_numbers("uint16", channels)
        yield Law("pyrDown", f"uint16 {channels}", make, cv2.pyrDown, 4, down=2)
        yield Law("pyrUp", f"uint16 {channels}", make, cv2.pyrUp, 2, up=2)
        # Collapsed levels may add up to more than 2**17, where a sum of 64 of them is no longer exact.
        yield Law("pyrUp", f"float32 {channels}", real_numbers(channels), cv2.pyrUp, 2, up=2)


def filter_laws() -> Iterator[Law]:
    yield Law("erode", "uint8 5 x 5", rare_holes, lambda a: cv2.erode(a, np.ones((5, 5), np.uint8)), 2)
    for function, dtype in product((cv2.erode, cv2.dilate), ("uint8", "uint16", "float32")):
        three = partial(function, kernel=np.ones((3, 3), np.uint8))
        yield Law(function.__name__, f"{dtype} 3 x 3", whole_numbers(dtype), three, 1)
    yield Law("Sobel", "uint8", whole_numbers("uint8"), lambda a: cv2.Sobel(a, cv2.CV_16S, 1, 0), 1)
    for dtype in ("uint8", "uint16", "float32"):
        yield Law("medianBlur", f"{dtype} 5 x 5", whole_numbers(dtype), lambda a: cv2.medianBlur(a, 5), 2)
    for size, bits in product((1, 3, 5, 7, 15, 31), (15, 16)):
        yield Law("boxFilter", f"{size}, {bits} bits squared", squares(bits), box(size), size // 2)
    for (name, (rows, columns)), dtype in product(_TAPS.items(), ("uint8", "uint16")):
        bound = np.iinfo(dtype).max * sum(map(abs, rows)) * sum(map(abs, columns))
        run = separable(cv2.CV_32F if bound <= 1 << 24 else cv2.CV_64F, rows, columns)
        halo = max(len(rows), len(columns)) // 2
        yield Law("sepFilter2D", f"{name} {dtype}", whole_numbers(dtype), run, halo)
    for dtype in ("float32", "float64"):
        yield Law("copyMakeBorder", dtype, real_numbers(dtype=dtype), make_border, 7)


def sums_of_bytes(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Image, ...]:
    return tuple(rng.integers(0, 255 * 200, shape).astype(np.uint16) for _ in range(2))


def weigh_sums(a: Image, b: Image) -> Image:
    return cv2.addWeighted(a, 49, b, -197, 0, dtype=cv2.CV_32F)


def wide_subtract(a: Image, b: Image) -> Image:
    return cv2.subtract(a, b, dst=np.empty(a.shape, np.float32), dtype=cv2.CV_32F)


def greater(a: Image, b: Image) -> Image:
    return cv2.compare(a, b, cv2.CMP_GT, dst=np.empty(a.shape, np.uint8))


def look_up(image: Image) -> Image:
    table = np.random.default_rng(1).permutation(np.iinfo(image.dtype).max + 1)
    return cv2.LUT(image, table.astype(np.float32))


def random_window(rng: np.random.Generator, shape: tuple[int, int], grid: int) -> tuple[slice, slice]:
    sides = []
    for side in shape:
        start = int(rng.integers(0, side // grid)) * grid
        sides.append(slice(start, int(rng.integers(start + 1, side + 1))))
    return sides[0], sides[1]


def unaffected(part: slice, side: int, law: Law) -> tuple[slice, slice]:
    """Rows (or columns) that a window's own borders cannot reach, as slices of both results."""
    start = part.start + law.halo if part.start else 0
    stop = part.stop - law.halo if part.stop < side else part.stop
    low, high = -(-start // law.down) * law.up, -(-stop // law.down) * law.up
    offset = part.start // law.down * law.up
    return slice(low, max(low, high)), slice(low - offset, max(low, high) - offset)


@pytest.mark.parametrize("law", laws(), ids=lambda law: f"{law.function} {law.case}")
def test_a_window_has_the_bits_of_the_whole_image(law):
    rng = np.random.default_rng(0)
    compared = 0
    for shape in SHAPES:
        images = law.make(rng, shape)
        whole = law.run(*images)
        for _ in range(WINDOWS):
            y, x = random_window(rng, shape, law.down)
            window = law.run(*(np.ascontiguousarray(image[y, x]) for image in images))
            rows, columns = unaffected(y, shape[0], law), unaffected(x, shape[1], law)
            expected = whole[rows[0], columns[0]]
            np.testing.assert_array_equal(window[rows[1], columns[1]], expected)
            compared += expected.size
    assert compared > 10_000


def called(path: Path) -> set[str]:
    """Names of the OpenCV functions that a file calls."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "cv2":
                names.add(node.func.attr)
    return names


def test_every_function_in_use_has_a_law():
    known = {law.function for law in laws()}
    for path in sorted(KERNELS.rglob("*.py")):
        if path.relative_to(KERNELS).parts[0] in FRAMES_NOT_TILES or path.name in CANONICAL:
            continue
        lawless = called(path) - known - NO_FILTERS
        assert not lawless, f"{path.relative_to(KERNELS)} calls {sorted(lawless)}, which have no law here"
