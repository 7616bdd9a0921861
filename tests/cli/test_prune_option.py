"""--prune: what is decoded, what is told, and that results are the same however they are computed."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
import tifffile
import zarr

from bigstack import Job, open_stack
from bigstack.io.frames import FrameSource
from bigstack.jobs.outputs import How
from bigstack.jobs.stack_output import write_stack
from bigstack.synthetic import render_stack
from bigstack.synthetic.depths import Ramp

FRAMES = 40
WAY = ("--align", "none")


@pytest.fixture(scope="module")
def surface():
    """A surface that fills a tenth of z."""
    ramp = Ramp(18, 22, (400, 600), angle=20)
    rendered = render_stack(
        texture="fractal", depth=ramp, shape=(400, 600), frames=FRAMES, channels=1, noise=(0, 0), seed=3
    )
    return rendered.stack.chunk()


@pytest.fixture(scope="module")
def levels(surface, tmp_path_factory):
    path = tmp_path_factory.mktemp("prune") / "stack.ome.zarr"
    write_stack(surface, path, How(), key="prune")
    return path


def image(path):
    return tifffile.imread(path)


def check_alike(pruned, plain):
    assert (pruned == plain).mean() > 0.96
    assert np.abs(pruned.astype(int) - plain).max() <= 2


def test_the_share_that_was_read_is_printed_and_recorded(bigstack, levels, tmp_path):
    code, out, _ = bigstack("stack", levels, "-o", tmp_path / "p.ome.zarr", "--prune", *WAY)
    assert code == 0
    assert "of the stack was read" in out
    meta = json.loads((tmp_path / "p.ome.zarr" / "zarr.json").read_text())
    run = meta["attributes"]["bigstack"]["run"]
    assert 0 < run["share_read"] < 1
    assert run["parameters"]["prune"] is True
    assert f"{run['share_read']:.1%}" in out


@pytest.mark.parametrize(
    "way", [("--tile", "150"), ("--tile", "64", "--workers", "3"), ("--processes", "--workers", "2")]
)
def test_tiles_workers_and_processes_change_no_bit(bigstack, levels, tmp_path, way):
    for name, words in (("a", ()), ("b", way)):
        assert bigstack("stack", levels, "-o", tmp_path / f"{name}.tif", "--prune", *WAY, *words)[0] == 0
    np.testing.assert_array_equal(image(tmp_path / "a.tif"), image(tmp_path / "b.tif"))


def test_shares_of_a_job_array_give_the_same(bigstack, levels, tmp_path):
    whole, shared = tmp_path / "whole.ome.zarr", tmp_path / "shared.ome.zarr"
    assert bigstack("stack", levels, "-o", whole, "--prune", "--tile", "512", *WAY)[0] == 0
    for words in (("--task", "1/2"), ("--task", "2/2"), ("--finish",)):
        assert bigstack("stack", levels, "-o", shared, "--prune", "--tile", "512", *WAY, *words)[0] == 0
    np.testing.assert_array_equal(open_stack(whole).values, open_stack(shared).values)


def test_a_plain_array_is_pruned_too(bigstack, surface, tmp_path):
    array = zarr.create_array(
        tmp_path / "s.zarr",
        shape=surface.shape[:3],
        chunks=(1, 128, 128),
        dtype="uint8",
        dimension_names="zyx",
    )
    array[:] = surface.values[..., 0]
    for name, words in (("a", ()), ("b", ("--prune",))):
        code, out, _ = bigstack("stack", tmp_path / "s.zarr", "-o", tmp_path / f"{name}.tif", *WAY, *words)
        assert code == 0
    assert "of the stack was read" in out
    check_alike(image(tmp_path / "a.tif"), image(tmp_path / "b.tif"))
    assert not (tmp_path / "b.tif.scratch").exists()


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_frames_that_no_tile_needs_are_not_decoded(bigstack, surface, tmp_path, monkeypatch, ending):
    (tmp_path / "in").mkdir()
    for z, frame in enumerate(surface.values[..., 0]):
        cv2.imwrite(str(tmp_path / "in" / f"{z:02d}.{ending}"), frame)
    decoded = Counter()
    from bigstack.io.tiff import TiffSource

    for kind, method in ((FrameSource, "_decode"), (TiffSource, "_region")):
        whole = getattr(kind, method)

        def counting(self, z, *more, whole=whole):
            decoded[z] += 1
            return whole(self, z, *more)

        monkeypatch.setattr(kind, method, counting)
    way = ("--prune", "--workers", "1", *WAY)
    assert bigstack("stack", tmp_path / "in", "-o", tmp_path / "out.png", *way)[0] == 0
    assert len(decoded) <= 0.7 * FRAMES
    assert {18, 20, 22} <= set(decoded)


def test_other_methods_refuse_it(bigstack, levels, tmp_path):
    way = ("--method", "average", "--prune", *WAY)
    code, _, err = bigstack("stack", levels, "-o", tmp_path / "o.tif", *way)
    assert code != 0
    assert "needs every frame" in err
    assert not list(tmp_path.iterdir())


def test_a_step_of_a_job_prunes(levels, tmp_path):
    job = Job(levels, tmp_path / "out").add("fuse", prune=True).add("fuse", name="plain")
    job.run()
    record = json.loads((tmp_path / "out" / "stack-fuse.tif.bigstack.json").read_text())
    assert 0 < record["share_read"] < 1
    plain = json.loads((tmp_path / "out" / "stack-plain.tif.bigstack.json").read_text())
    assert "share_read" not in plain
    check_alike(*(image(tmp_path / "out" / f"stack-{name}.tif") for name in ("fuse", "plain")))
