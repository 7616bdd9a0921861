"""Opens and reads damaged files in a process of its own, so that a crash of a decoder is seen.

Usage: fuzz_worker.py FORMAT,... COUNT SEED FOLDER. Prints one line: what the damaged files led to.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

MEMORY = 4 << 30
SLOWEST = 5.0
SIZE = (40, 56)


def texture(channels: int, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(1)
    top = np.iinfo(dtype).max
    smooth = np.linspace(0, top, SIZE[0] * SIZE[1]).reshape(*SIZE, 1)
    pixels = (smooth + rng.integers(0, top // 8, (*SIZE, channels))) % (top + 1)
    return pixels.astype(dtype)


def base(kind: str) -> bytes:
    """A whole file of the kind."""
    import cv2
    import imagecodecs

    grey, colour, deep = texture(1, "uint8")[..., 0], texture(3, "uint8"), texture(3, "uint16")
    if kind == "jpeg":
        return imagecodecs.jpeg8_encode(colour, level=90)
    if kind == "jpeg-progressive":
        ok, data = cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
        assert ok
        return data.tobytes()
    if kind == "png":
        return imagecodecs.png_encode(deep)
    if kind == "png-palette":
        return palette_png(grey)
    if kind == "webp":
        return imagecodecs.webp_encode(colour, level=80)
    if kind == "webp-lossless":
        return imagecodecs.webp_encode(texture(4, "uint8"), lossless=True)
    if kind == "bmp":
        return imagecodecs.bmp_encode(colour)
    return tiff(kind, colour, deep)


def palette_png(grey: np.ndarray) -> bytes:
    import io

    from PIL import Image

    image = Image.fromarray(grey).convert("P")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=3)
    return buffer.getvalue()


def tiff(kind: str, colour: np.ndarray, deep: np.ndarray) -> bytes:
    import io

    import tifffile

    options = {
        "tiff-strips": {"data": deep, "photometric": "rgb", "rowsperstrip": 8},
        "tiff-tiles": {"data": deep, "photometric": "rgb", "tile": (16, 16)},
        "tiff-deflate": {
            "data": deep, "photometric": "rgb", "rowsperstrip": 8, "compression": "zlib", "predictor": True,
        },
        "tiff-lzw": {"data": deep, "photometric": "rgb", "rowsperstrip": 8, "compression": "lzw"},
        "tiff-zstd": {"data": deep, "photometric": "rgb", "tile": (16, 16), "compression": "zstd"},
        "tiff-jpeg": {"data": colour, "photometric": "rgb", "tile": (16, 16), "compression": "jpeg"},
        "tiff-webp": {"data": colour, "photometric": "rgb", "tile": (16, 16), "compression": "webp"},
        "tiff-jpeg2000": {"data": colour, "photometric": "rgb", "tile": (16, 16), "compression": "jpeg2000"},
        "tiff-packbits": {"data": colour, "photometric": "rgb", "compression": "packbits"},
        "tiff-lzma": {"data": colour, "photometric": "rgb", "compression": "lzma"},
        "tiff-pages": {"data": np.stack([deep] * 3), "photometric": "rgb", "bigtiff": True},
        "imagej": {
            "data": np.stack([deep[..., 0]] * 6).reshape(3, 2, *SIZE), "imagej": True,
            "metadata": {"axes": "ZCYX", "spacing": 2.0, "unit": "um"}, "resolution": (2, 2),
        },
        "ome-tiff": {
            "data": np.stack([deep[..., 0]] * 6).reshape(3, 2, *SIZE), "ome": True, "compression": "zlib",
            "metadata": {
                "axes": "ZCYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0,
                "Channel": {"Name": ["a", "b"]}, "Plane": {"PositionZ": [0.0, 0.0, 2.1, 2.1, 4.0, 4.0]},
            },
        },
    }[kind]  # fmt: skip
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, **options)
    return buffer.getvalue()


INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits, overwrite, cut off, cut out, repeat: one or a few of them; mostly near the start."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not found:
            break
        reach = len(found) if rng.random() < 0.5 else min(len(found), 400)
        at = int(rng.integers(0, reach))
        way = rng.integers(0, 7)
        if way <= 1:
            found[at] ^= 1 << int(rng.integers(0, 8))
        elif way == 2:
            found[at] = INTERESTING[rng.integers(0, len(INTERESTING))]
        elif way == 3:
            size = int(rng.integers(1, 9))
            found[at : at + size] = rng.bytes(size)
        elif way == 4:
            number = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000, len(found)]))
            found[at : at + 4] = number.to_bytes(4, str(rng.choice(["little", "big"])))
        elif way == 5:
            del found[int(rng.integers(0, len(found))) :]
        else:
            size = int(rng.integers(1, 64))
            found[at:at] = found[at : at + size] if rng.random() < 0.5 else b""
            del found[at : at + size]
    return bytes(found)


def write_zarr(path: Path, kind: str) -> None:
    import numcodecs
    import zarr

    pixels = np.stack([texture(1, "uint16")[..., 0]] * 4).reshape(2, 2, *SIZE)
    version = 2 if kind == "ome-zarr-0.4" else 3
    image = {
        "axes": [
            {"name": n, "type": t}
            for n, t in (("c", "channel"), ("z", "space"), ("y", "space"), ("x", "space"))
        ],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 0.5, 0.5]}]}
        ],
    }
    attributes = {"multiscales": [{**image, "version": "0.4"}]}
    if version == 3:
        attributes = {"ome": {"version": "0.5", "multiscales": [image]}}
    group = zarr.open_group(str(path), mode="w", zarr_format=version, attributes=attributes)
    options = {
        "ome-zarr-0.4": {"compressors": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE)},
        "ome-zarr-0.5": {"compressors": zarr.codecs.ZstdCodec(level=3)},
        "ome-zarr-sharded": {"shards": (1, 2, 64, 64), "compressors": zarr.codecs.GzipCodec(level=1)},
        "ome-zarr-blosc": {"compressors": zarr.codecs.BloscCodec(cname="zstd", shuffle="shuffle")},
    }[kind]
    array = group.create_array("0", shape=pixels.shape, chunks=(1, 1, 32, 32), dtype="uint16", **options)
    array[...] = pixels


def damaged_file(whole: Path, rng: np.random.Generator) -> tuple[Path, bytes]:
    """One file of the whole, most often of metadata, and what it is to hold now."""
    if whole.is_file():
        return whole, damage(whole.read_bytes(), rng)
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    metadata = [path for path in files if path.suffix == ".json" or path.name.startswith(".z")]
    among = metadata if rng.random() < 0.6 else files
    path = among[int(rng.integers(0, len(among)))]
    data = path.read_bytes()
    return path, damaged_json(data, rng) if path in metadata and rng.random() < 0.6 else damage(data, rng)


def damaged_json(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace one value somewhere by one of another kind."""
    tree = json.loads(data)
    places = list(_places(tree))
    if not places:
        return data[: len(data) // 2]
    holder, key = places[int(rng.integers(0, len(places)))]
    values = [None, -1, 0, 10**12, 10**30, 1.5, "", "../../x", "pickle", "/etc", [], {}, [[[]]], "NaN", True,
              {"name": "pickle"}, ["a"] * 5, "|O", 2**63]  # fmt: skip
    holder[key] = values[int(rng.integers(0, len(values)))]
    return json.dumps(tree).encode()


def _places(node: object):
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key
        yield from _places(value)


def read_all(path: Path) -> str:
    """Open and read everything; says how it ended."""
    from bigstack.errors import BigstackError
    from bigstack.io.lazy import source_of
    from bigstack.io.open import open_stack
    from bigstack.io.ring import FRAMES, THICK_CHUNKS

    FRAMES.clear()
    THICK_CHUNKS.clear()
    try:
        stack = open_stack(path, max_pixels=1 << 20)
        source = source_of(stack.data)
        height, width = source.shape[1:3]
        corner = slice(0, min(height, 128)), slice(0, min(width, 128))
        for z in range(min(source.shape[0], 4)):
            source.read(z, *corner)
            source.valid(z, *corner)
    except BigstackError:
        return "refused"
    return "read"


def main() -> None:
    kinds, count, seed, folder = sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    warnings.simplefilter("ignore")
    for kind in kinds:
        whole = folder / kind
        if "zarr" in kind:
            write_zarr(whole, kind)
        else:
            whole.write_bytes(base(kind))
        assert read_all(whole) == "read", f"the undamaged {kind} cannot be read"
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    ends = {kind: fuzz(folder / kind, count, seed) for kind in kinds}
    # Not getrusage: its maximum is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) >> 10
    print(json.dumps({"ends": ends, "peak_mb": peak}))


def fuzz(whole: Path, count: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    ends: Counter[str] = Counter()
    for i in range(count):
        path, data = damaged_file(whole, rng)
        kept = path.read_bytes()
        path.write_bytes(data)
        print(f"{whole.name} {i}: {path}", file=sys.stderr, flush=True)
        start = time.process_time()  # the machine may be busy with other things
        ends[read_all(whole)] += 1
        taken = time.process_time() - start
        if taken > SLOWEST:
            raise SystemExit(f"{path} took {taken:.1f} s")
        path.write_bytes(kept)
    return dict(ends)


if __name__ == "__main__":
    main()
