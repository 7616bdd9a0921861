import json
import math
from unittest import mock

import numpy as np
import pytest
import yaozarrs
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError, RunError
from bigstack.geometry import PixelSize, Tile, tiles_of
from bigstack.io.record import RunRecord
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink, create_stack_sink, zarr_arrays
from bigstack.io.writers.downsample import halve
from bigstack.io.writers.spec import StackSpec

VERSIONS = pytest.mark.parametrize("version", ["0.5", "0.4"])


def image_of(path):
    group = yaozarrs.validate_zarr_store(path)
    attributes = json.loads(json.dumps(dict(zarr.open_group(path, mode="r").attrs)))
    return group, attributes.get("ome", attributes)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    channels=st.integers(1, 4),
    dtype=st.sampled_from(["uint8", "uint16", "float32", "int32"]),
    chunk=st.sampled_from([7, 16, 32]),
    shards=st.sampled_from([None, 2, 3]),
    version=st.sampled_from(["0.5", "0.4"]),
    compression=st.sampled_from(["zstd", "lz4", "none"]),
    side=st.sampled_from([1, 40, 64]),
    piece=st.sampled_from([1, 40, 1024]),
)
def test_any_image_comes_back_with_its_levels(
    tmp_path, write, picture, height, width, channels, dtype, chunk, shards, version, compression, side, piece
):
    image = picture((height, width, channels), dtype)
    options = {"chunk": chunk, "version": version, "compression": compression}
    if shards and version == "0.5":
        options["shard"] = shards * chunk
    with mock.patch.object(zarr_arrays, "LEVEL_TILE", piece):
        path = write(tmp_path / "a.ome.zarr", image, side=side, overwrite=True, options=options)
    _, ome = image_of(path)
    expected = np.moveaxis(image, -1, 0)
    levels = [dataset["path"] for dataset in ome["multiscales"][0]["datasets"]]
    for level in levels:
        found = zarr.open_array(path / level, mode="r")
        np.testing.assert_array_equal(found[:], expected)
        assert found.dtype == image.dtype
        expected = np.stack([halve(plane) for plane in expected])
    assert max(found.shape[1:]) <= chunk
    assert len(levels) == 1 or max(zarr.open_array(path / levels[-2]).shape[1:]) > chunk


@VERSIONS
def test_scale_translation_and_units(tmp_path, write, picture, version):
    size = PixelSize(None, 0.5, 0.25)
    options = {"version": version, "chunk": 16}
    path = write(tmp_path / "a.ome.zarr", picture((50, 60, 1)), pixel_size=size, options=options)
    _, ome = image_of(path)
    (scales,) = ome["multiscales"]
    assert [(a["name"], a["type"], a.get("unit")) for a in scales["axes"]] == [
        ("c", "channel", None),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    for level, dataset in enumerate(scales["datasets"]):
        transforms = {t["type"]: t[t["type"]] for t in dataset["coordinateTransformations"]}
        factor = 2**level
        assert transforms["scale"] == [1, 0.5 * factor, 0.25 * factor]
        shift = (factor - 1) / 2
        assert transforms.get("translation", [0, 0, 0]) == [0, 0.5 * shift, 0.25 * shift]
    assert len(scales["datasets"]) == 3
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == (2 if version == "0.4" else 3)
    assert (ome.get("version") or scales["version"]) == version


def test_levels_lie_where_the_pixels_were(tmp_path, write):
    """A bright spot has the same physical centre in every level."""
    image = np.zeros((64, 64, 1), np.uint16)
    image[40:48, 16:24] = 60000
    size = PixelSize(None, 0.5, 2.0)
    path = write(tmp_path / "a.ome.zarr", image, pixel_size=size, options={"chunk": 16})
    _, ome = image_of(path)
    for dataset in ome["multiscales"][0]["datasets"]:
        transforms = {t["type"]: np.array(t[t["type"]]) for t in dataset["coordinateTransformations"]}
        pixels = zarr.open_array(path / dataset["path"], mode="r")[0].astype(float)
        indices = np.stack(np.indices(pixels.shape))
        centre = (indices * pixels).sum(axis=(1, 2)) / pixels.sum()
        physical = centre * transforms["scale"][1:] + transforms.get("translation", np.zeros(3))[1:]
        np.testing.assert_allclose(physical, [43.5 * 0.5, 19.5 * 2.0])


@VERSIONS
def test_without_a_size_scale_is_one_and_has_no_unit(tmp_path, write, picture, version):
    path = write(tmp_path / "a.ome.zarr", picture((20, 20, 1)), options={"version": version})
    _, ome = image_of(path)
    assert ome["multiscales"][0]["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": [1, 1, 1]}
    ]
    assert not any("unit" in axis for axis in ome["multiscales"][0]["axes"])


@VERSIONS
def test_channels_and_their_display(tmp_path, write, version):
    image = np.zeros((40, 40, 2), np.uint16)
    image[..., 0] = np.arange(1600).reshape(40, 40)
    image[0, 0] = 65535
    path = write(tmp_path / "a.zarr", image, channels=("DAPI", "GFP"), options={"version": version})
    _, ome = image_of(path)
    first, second = ome["omero"]["channels"]
    assert (first["label"], second["label"]) == ("DAPI", "GFP")
    assert first["color"] != second["color"]
    assert (first["window"]["min"], first["window"]["max"]) == (0, 65535)
    assert 0 <= first["window"]["start"] < 10
    assert 1590 < first["window"]["end"] < 1600
    assert second["window"]["end"] > second["window"]["start"]


def test_colour_is_shown_alike(tmp_path, write, picture):
    image = picture((40, 40, 3), "uint16") // np.array([1, 4, 16], np.uint16)
    path = write(tmp_path / "a.zarr", image)
    _, ome = image_of(path)
    channels = ome["omero"]["channels"]
    assert [c["color"] for c in channels] == ["FF0000", "00FF00", "0000FF"]
    assert len({(c["window"]["start"], c["window"]["end"]) for c in channels}) == 1
    _, ome = image_of(write(tmp_path / "b.zarr", picture((40, 40, 4))))
    assert [c["active"] for c in ome["omero"]["channels"]] == [True, True, True, False]


def test_depth_with_holes(tmp_path, write):
    depth = np.linspace(-3, 7, 900, dtype=np.float32).reshape(30, 30, 1)
    depth[:10] = np.nan
    path = write(tmp_path / "a.zarr", depth, options={"chunk": 8})
    _, ome = image_of(path)
    window = ome["omero"]["channels"][0]["window"]
    assert all(math.isfinite(value) for value in window.values())
    assert window["start"] < window["end"]
    np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[0], depth[..., 0])
    empty = write(tmp_path / "b.zarr", np.full((30, 30, 1), np.nan, np.float32), options={"chunk": 8})
    image_of(empty)


def test_what_ngff_has_no_place_for(tmp_path, write, picture):
    record = RunRecord.of("stack", [], {"levels": 5})
    path = write(
        tmp_path / "a.zarr", picture((9, 9, 3)), icc_profile=b"\0icc", description="d", record=record
    )
    own = zarr.open_group(path, mode="r").attrs["bigstack"]
    assert own["icc_profile"] == "AGljYw=="
    assert own["description"] == "d"
    assert own["run"]["parameters"] == {"levels": 5}
    assert own["software"].startswith("bigstack ")


def test_every_chunk_is_a_file(tmp_path, write):
    path = write(tmp_path / "a.zarr", np.zeros((64, 64, 1), np.uint8), options={"chunk": 16, "levels": 1})
    assert len([p for p in (path / "0" / "c").rglob("*") if p.is_file()]) == 16


def test_levels_stop_at_a_single_pixel(tmp_path, write, picture):
    path = write(tmp_path / "a.zarr", picture((5, 3, 1)), options={"levels": 99})
    assert zarr.open_array(path / "3", mode="r").shape == (1, 1, 1)
    assert not (path / "4").exists()


def test_metadata_comes_last(tmp_path, picture):
    sink = create_sink(tmp_path / "a.zarr", ImageSpec((40, 40, 1), "uint8"), chunk=16)
    sink.open()
    for tile in tiles_of((40, 40), 16, 16):
        sink.encode(tile, picture((*tile.shape, 1)))
    assert not (tmp_path / "a.zarr").exists()
    names = {p.name for p in (tmp_path / "a.zarr.partial").rglob("image.zarr/*")}
    assert names == {"0", "1", "2"}
    with pytest.raises(RunError, match="4 chunks of level 1 were never written"):
        sink.finish()
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("sharded", [False, True])
def test_tiles_that_cut_chunks_are_refused(tmp_path, sharded):
    options = {"chunk": 8, "shard": 16} if sharded else {"chunk": 16}
    sink = create_sink(tmp_path / "a.zarr", ImageSpec((40, 40, 1), "uint8"), **options)
    assert sink.multiple == (16, 16)
    sink.open()
    with pytest.raises(InputError, match="not aligned"):
        sink.encode(Tile(0, 16, 8, 16), np.zeros((16, 8, 1), np.uint8))
    sink.abort()


@pytest.mark.parametrize(
    "options",
    [
        {"version": "0.3"},
        {"chunk": 0},
        {"shard": 700},
        {"levels": 0},
        {"version": "0.4", "shard": 1024},
        {"compression": "gzip"},
    ],
)
def test_bad_options_are_refused(tmp_path, options):
    with pytest.raises(InputError):
        create_sink(tmp_path / "a.zarr", ImageSpec((40, 40, 1), "uint8"), **options)


@VERSIONS
def test_a_stack_with_its_positions(tmp_path, picture, version):
    frames = np.stack([picture((50, 40, 2), "uint16", seed) for seed in range(3)])
    spec = StackSpec(
        frames.shape, "uint16", PixelSize(2.0, 0.5, 0.5), ("a", "b"), z_positions=(10.0, 12.0, 14.5)
    )
    sink = create_stack_sink(tmp_path / "s.ome.zarr", spec, version=version, chunk=16)
    sink.open()
    pieces = [(z, tile) for z in range(3) for tile in tiles_of((50, 40), 32, 16)]
    for z, tile in reversed(pieces):
        sink.encode(z, tile, frames[z][tile.slices])
    assert sink.done() == frozenset(pieces)
    for level in range(1, sink.levels):
        for piece in sink.level_tasks(level):
            sink.build_level(level, piece)
        assert sink.level_tasks(level) == []
    with pytest.raises(InputError, match="frame must be 0 to 2"):
        sink.encode(3, pieces[0][1], frames[0][pieces[0][1].slices])
    sink.finish()
    _, ome = image_of(sink.path)
    (scales,) = ome["multiscales"]
    assert "".join(axis["name"] for axis in scales["axes"]) == "czyx"
    assert [axis.get("unit") for axis in scales["axes"]] == [None, *["micrometer"] * 3]
    last = {t["type"]: t[t["type"]] for t in scales["datasets"][-1]["coordinateTransformations"]}
    assert last == {"scale": [1, 2, 2, 2], "translation": [0, 10, 0.75, 0.75]}
    expected = np.moveaxis(frames, -1, 0)
    for dataset in scales["datasets"]:
        np.testing.assert_array_equal(zarr.open_array(sink.path / dataset["path"], mode="r")[:], expected)
        expected = np.stack([[halve(plane) for plane in channel] for channel in expected])
    assert zarr.open_group(sink.path, mode="r").attrs["bigstack"]["z"] == [10.0, 12.0, 14.5]
    assert [p.name for p in tmp_path.iterdir()] == ["s.ome.zarr"]


def test_levels_are_built_while_the_pixels_are_at_hand(tmp_path, picture, monkeypatch):
    """Tiles of four chunks a side give two levels on the way, and leave what they do not cover."""
    monkeypatch.setattr(zarr_arrays, "LEVEL_TILE", 16)
    image = picture((150, 130, 2), "uint16")
    sink = create_sink(tmp_path / "a.zarr", ImageSpec(image.shape, "uint16"), chunk=16)
    sink.open()
    first, *others = tiles_of((150, 130), 64, 64)
    assert len(sink.level_tasks(1)) == 5 * 5
    sink.encode(first, image[first.slices])
    assert len(sink.level_tasks(1)) == 5 * 5 - 4
    assert Tile(0, 16, 0, 16) not in sink.level_tasks(2)
    assert len(sink.level_tasks(3)) == 2 * 2
    for tile in others:
        sink.encode(tile, image[tile.slices])
    assert sink.level_tasks(1) == sink.level_tasks(2) == []
    for level in (3, 4):
        for tile in sink.level_tasks(level):
            sink.build_level(level, tile)
    sink.finish()
    expected = np.moveaxis(image, -1, 0)
    for level in range(5):
        np.testing.assert_array_equal(zarr.open_array(sink.path / str(level), mode="r")[:], expected)
        expected = np.stack([halve(plane) for plane in expected])
