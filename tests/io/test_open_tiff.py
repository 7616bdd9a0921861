"""Multi-page TIFF, OME-TIFF and ImageJ: which page is which frame and channel, and what else they say."""

import numpy as np
import pytest
import tifffile

from bigstack.errors import FormatError, InputError, StackError
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack
from tests.io.sources import check_source

SHAPE = (24, 31)
OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def planes(*sizes, dtype="uint16"):
    rng = np.random.default_rng(5)
    return rng.integers(0, 60000, (*sizes, *SHAPE)).astype(dtype)


def test_pages_are_frames(tmp_path):
    truth = planes(5)
    tifffile.imwrite(tmp_path / "s.tif", truth, photometric="minisblack", metadata=None)
    stack = open_stack(tmp_path / "s.tif")
    check_source(source_of(stack.data), truth[..., None])
    check_source(source_of(open_stack(tmp_path, every=2, reverse=True).data), truth[4::-2, ..., None])


def test_pages_of_colour_are_frames(tmp_path):
    truth = planes(4, 3).transpose(0, 2, 3, 1)
    tifffile.imwrite(tmp_path / "s.tif", truth, photometric="rgb", metadata=None, compression="zlib")
    stack = open_stack(tmp_path / "s.tif")
    assert stack.channel.values.tolist() == ["R", "G", "B"]
    check_source(source_of(stack.data), truth)


@pytest.mark.parametrize("virtual", [False, True])
def test_shape_in_the_description(tmp_path, virtual):
    truth = planes(5, 2)
    tifffile.imwrite(
        tmp_path / "s.tif", truth, photometric="minisblack", metadata={"axes": "ZCYX", "truncate": virtual}
    )
    check_source(source_of(open_stack(tmp_path / "s.tif").data), truth.transpose(0, 2, 3, 1))


def test_dims_without_names_are_asked_for(tmp_path):
    truth = planes(5, 2)
    tifffile.imwrite(tmp_path / "s.tif", truth, photometric="minisblack")
    with pytest.raises(FormatError, match="axes"):
        open_stack(tmp_path / "s.tif")
    check_source(source_of(open_stack(tmp_path / "s.tif", axes="zcyx").data), truth.transpose(0, 2, 3, 1))
    check_source(source_of(open_stack(tmp_path / "s.tif", axes="czyx").data), truth.transpose(1, 2, 3, 0))
    with pytest.raises(InputError, match="axes 'yx' do not fit"):
        open_stack(tmp_path / "s.tif", axes="yx")


@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_imagej_hyperstacks(tmp_path, order, virtual):
    truth = planes(4, 2)
    tifffile.imwrite(
        tmp_path / "s.tif", truth, imagej=True, byteorder=order, resolution=(2, 4),
        metadata={"axes": "ZCYX", "spacing": 1500, "unit": "nm", "truncate": virtual},
    )  # fmt: skip
    stack = open_stack(tmp_path / "s.tif")
    check_source(source_of(stack.data), truth.transpose(0, 2, 3, 1))
    assert stack.attrs["pixel_size"] == pytest.approx([1.5, 0.25e-3, 0.5e-3])
    assert stack.attrs["units"] == "micrometer"


def test_imagej_colour(tmp_path):
    truth = (planes(3, 3) >> 8).astype(np.uint8).transpose(0, 2, 3, 1)
    tifffile.imwrite(tmp_path / "s.tif", truth, imagej=True, metadata={"axes": "ZYXS"}, photometric="rgb")
    check_source(source_of(open_stack(tmp_path / "s.tif").data), truth)


def ome(path, pixels, **metadata):
    tifffile.imwrite(path, pixels, ome=True, photometric="minisblack", metadata=metadata)
    return path


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX"])
def test_ome_axes_names_and_sizes(tmp_path, axes):
    truth = planes(*{"ZCYX": (5, 2), "CZYX": (2, 5)}[axes])
    ome(
        tmp_path / "s.ome.tif", truth, axes=axes, Channel={"Name": ["DAPI", "FITC"]},
        PhysicalSizeX=0.25, PhysicalSizeXUnit="µm", PhysicalSizeY=500, PhysicalSizeYUnit="nm",
        PhysicalSizeZ=0.002, PhysicalSizeZUnit="mm",
    )  # fmt: skip
    stack = open_stack(tmp_path / "s.ome.tif")
    order = [axes.index(a) for a in "ZYXC"]
    check_source(source_of(stack.data), truth.transpose(order))
    assert stack.channel.values.tolist() == ["DAPI", "FITC"]
    assert stack.attrs["pixel_size"] == [2.0, 0.5, 0.25]
    np.testing.assert_allclose(stack.z.values, np.arange(5) * 2.0)
    check_source(source_of(open_stack(tmp_path, channel="FITC").data), truth.transpose(order)[..., 1:])


def test_only_the_wanted_channel_is_read(tmp_path):
    path = ome(tmp_path / "s.ome.tif", planes(5, 2), axes="ZCYX")
    source = source_of(open_stack(path, channel=1).data)
    assert source.planes.shape[:2] == (5, 1)


@pytest.mark.parametrize("positions", [[10, 11, 13, 16], [16, 13, 11, 10]])
def test_uneven_positions_are_kept(tmp_path, positions):
    path = ome(
        tmp_path / "s.ome.tif", planes(4), axes="ZYX", PhysicalSizeX=1, PhysicalSizeY=1, PhysicalSizeZ=1,
        Plane={"PositionZ": positions, "PositionZUnit": ["µm"] * 4},
    )  # fmt: skip
    stack = open_stack(path)
    np.testing.assert_allclose(stack.z.values, np.array(positions) - positions[0])
    assert stack.z.attrs["units"] == "micrometer"


@pytest.mark.parametrize(
    "plane",
    [
        {"PositionZ": [10, 12, 14, 16], "PositionZUnit": ["µm"] * 4},
        {"PositionZ": [1, 2, 2, 3], "PositionZUnit": ["µm"] * 4},
        {"PositionZ": [10, 11, 13, 16], "PositionZUnit": ["reference frame"] * 4},
    ],
)
def test_even_repeated_or_unitless_positions_are_not(tmp_path, plane):
    path = ome(
        tmp_path / "s.ome.tif",
        planes(4),
        axes="ZYX",
        PhysicalSizeX=1,
        PhysicalSizeY=1,
        PhysicalSizeZ=2,
        Plane=plane,
    )
    np.testing.assert_allclose(open_stack(path).z.values, np.arange(4) * 2.0)


def test_time_points_are_chosen(tmp_path):
    truth = planes(3, 4)
    path = ome(tmp_path / "s.ome.tif", truth, axes="TZYX")
    with pytest.raises(InputError, match="3 time points; choose one with time=0 to 2"):
        open_stack(path)
    check_source(source_of(open_stack(path, time=1).data), truth[1, ..., None])
    with pytest.raises(InputError, match="time"):
        open_stack(path, time=3)
    alone = ome(tmp_path / "t.ome.tif", truth[0], axes="TYX")
    check_source(source_of(open_stack(alone, axes="zyx").data), truth[0, ..., None])


def test_scenes_are_chosen(tmp_path):
    path = tmp_path / "s.ome.tif"
    first, second = planes(2), planes(3)
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(first, photometric="minisblack", metadata={"axes": "ZYX", "Name": "one"})
        writer.write(second, photometric="minisblack", metadata={"axes": "ZYX", "Name": "two"})
    check_source(source_of(open_stack(path).data), first[..., None])
    for scene in ("two", 1, "1"):
        check_source(source_of(open_stack(path, scene=scene).data), second[..., None])
    with pytest.raises(InputError, match=r"no scene 'three'; it has 0 \(one\), 1 \(two\)"):
        open_stack(path, scene="three")


def test_levels_are_chosen_and_pixels_grow(tmp_path):
    truth = np.random.default_rng(0).integers(0, 999, (3, 64, 80), dtype=np.uint16)
    path = tmp_path / "s.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"photometric": "minisblack", "tile": (16, 16)}
        writer.write(
            truth, subifds=2, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}, **options
        )
        writer.write(truth[:, ::2, ::2], subfiletype=1, **options)
        writer.write(truth[:, ::4, ::4], subfiletype=1, **options)
    check_source(source_of(open_stack(path).data), truth[..., None])
    stack = open_stack(path, level=2)
    check_source(source_of(stack.data), truth[:, ::4, ::4, None])
    assert stack.attrs["pixel_size"] == [None, 2.0, 2.0]
    with pytest.raises(InputError, match="level"):
        open_stack(path, level=3)


def write_set(folder, truth):
    """An OME-TIFF set: one file for each frame and channel, each describing all."""
    names = [[f"z{z}_c{c}.ome.tif" for c in range(truth.shape[1])] for z in range(truth.shape[0])]
    described = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" FirstC="{c}" FirstT="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{z}-{c}</UUID></TiffData>'
        for z, row in enumerate(names)
        for c, name in enumerate(row)
    )
    for z, row in enumerate(names):
        for c, name in enumerate(row):
            xml = (
                f'<?xml version="1.0"?><OME xmlns="{OME}" UUID="urn:uuid:{z}-{c}"><Image ID="Image:0">'
                f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="{SHAPE[1]}" '
                f'SizeY="{SHAPE[0]}" SizeC="{truth.shape[1]}" SizeZ="{truth.shape[0]}" SizeT="1" '
                'PhysicalSizeX="0.5" PhysicalSizeY="0.5"><Channel ID="C:0" Name="a"/>'
                '<Channel ID="C:1" Name="b"/>'
                f"{described}"
                "</Pixels></Image></OME>"
            )
            tifffile.imwrite(
                folder / name, truth[z, c], description=xml, metadata=None, photometric="minisblack"
            )


def test_a_set_of_ome_files_is_one_stack(tmp_path):
    truth = planes(3, 2)
    write_set(tmp_path, truth)
    stack = open_stack(tmp_path)
    check_source(source_of(stack.data), truth.transpose(0, 2, 3, 1))
    assert stack.channel.values.tolist() == ["a", "b"]
    assert stack.attrs["pixel_size"] == [None, 0.5, 0.5]
    check_source(source_of(open_stack(tmp_path / "z1_c1.ome.tif").data), truth.transpose(0, 2, 3, 1))


def test_a_missing_file_of_a_set_is_noticed(tmp_path):
    write_set(tmp_path, planes(3, 2))
    (tmp_path / "z1_c1.ome.tif").unlink()
    with pytest.raises(StackError, match="frame 1: missing"):
        open_stack(tmp_path / "z0_c0.ome.tif")
    assert open_stack(tmp_path / "z0_c0.ome.tif", skip_bad=True).z.values.tolist() == [0, 2]


def test_files_whose_pages_are_channels(tmp_path):
    truth = planes(4, 2)
    for i, frame in enumerate(truth):
        ome(tmp_path / f"f{i}.ome.tif", frame, axes="CYX", Channel={"Name": ["a", "b"]})
    check_source(source_of(open_stack(tmp_path).data), truth.transpose(0, 2, 3, 1))


def test_a_folder_of_whole_stacks_is_refused(tmp_path):
    for i in range(3):
        tifffile.imwrite(tmp_path / f"s{i}.tif", planes(4) + i, photometric="minisblack")
    with pytest.raises(StackError, match="3 TIFF files of 4 frames each; give one of them"):
        open_stack(tmp_path)


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.7, 0.95])
def test_a_truncated_file_is_refused_and_its_whole_frames_can_be_had(tmp_path, keep):
    truth = planes(6)
    path = tmp_path / "s.tif"
    with tifffile.TiffWriter(path) as writer:
        for frame in truth:
            writer.write(frame, photometric="minisblack", metadata=None, contiguous=False)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(StackError, match=r"(?s)truncated.*skip_bad=True"):
        open_stack(path)
    stack = open_stack(path, skip_bad=True)
    assert 1 <= stack.shape[0] <= 6 * keep
    check_source(source_of(stack.data), truth[: stack.shape[0], ..., None])
    record = stack.attrs["audit"]
    assert "truncated" in str(record["warnings"]) + str(record["skipped"])


def test_frames_with_pixels_behind_the_end_are_named_and_can_be_skipped(tmp_path):
    truth = planes(3)
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, truth, photometric="minisblack", metadata=None, contiguous=False)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[1].tags[273]
        where = tag.valueoffset
    data = bytearray(path.read_bytes())
    data[where : where + 4] = (len(data) - 10).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(StackError, match=r"1 of 3 frames.*\n  frame 1: truncated"):
        open_stack(path)
    stack = open_stack(path, skip_bad=True)
    check_source(source_of(stack.data), truth[[0, 2], ..., None])
    assert stack.z.values.tolist() == [0, 2]
    assert stack.attrs["audit"]["skipped"][0]["frame"] == 1


@pytest.mark.parametrize(
    ("unit", "resolution", "size"), [(3, 40000, 0.25), (3, 118.11, None), (2, 300, None)]
)
def test_only_resolutions_that_mean_the_specimen_are_believed(tmp_path, unit, resolution, size):
    tifffile.imwrite(
        tmp_path / "s.tif", planes(2), photometric="minisblack", metadata=None, resolution=(resolution,) * 2,
        resolutionunit=unit,
    )  # fmt: skip
    found = open_stack(tmp_path / "s.tif").attrs["pixel_size"]
    assert found == (None if size is None else [None, size, size])
