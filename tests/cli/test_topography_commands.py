"""bigstack roughness and bigstack profile as a user runs them."""

import csv
import json

import cv2
import numpy as np
import pytest

from bigstack import open_stack, profile, roughness, write_image


@pytest.fixture(scope="module")
def depth(tmp_path_factory):
    """A calibrated map in micrometres on disk."""
    import xarray as xr

    path = tmp_path_factory.mktemp("map") / "d.ome.zarr"
    y, x = np.mgrid[:200, :260]
    values = (5 * np.cos(2 * np.pi * (x - 129.5) / 26) + 0.1 * y).astype(np.float32)
    attrs = {"unit": "micrometer", "units": "micrometer", "pixel_size": [None, 0.8, 0.8]}
    write_image(xr.DataArray(values, dims=("y", "x"), attrs=attrs), path)
    return path


def test_a_table_and_json_say_the_same(bigstack, depth, tmp_path):
    code, table, _ = bigstack("roughness", depth, "-o", tmp_path / "r.json")
    assert code == 0
    found = json.loads((tmp_path / "r.json").read_text())
    assert found == json.loads(bigstack("roughness", depth, "--json")[1])
    assert found == roughness(open_stack(depth)[0, :, :, 0]).as_dict()
    assert found["Sq"] == pytest.approx(5 / np.sqrt(2), rel=0.01)
    assert f"Sq {found['Sq']:15.6g} micrometer" in table
    assert "form removed: plane, no filter" in table


def test_options_reach_the_function(bigstack, depth, tmp_path):
    mask = np.full((200, 260), 255, np.uint8)
    mask[:50] = 0
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    words = ("--form", "none", "--s-filter", "3", "--l-filter", "50", "--region", "10,20,250,190", "--invert")
    words = (*words, "--valid", tmp_path / "m.png", "--z-scale", "2", "--workers", "1", "--json")
    found = json.loads(bigstack("roughness", depth, *words)[1])
    how = {"form": "none", "s_filter": 3.0, "l_filter": 50.0, "region": (10, 20, 250, 190), "invert": True}
    expected = roughness(open_stack(depth)[0, :, :, 0], valid=mask, z_scale=2.0, **how)
    assert found == expected.as_dict()


def test_a_real_stack_has_a_roughness_in_micrometres(bigstack, shared, tmp_path):
    source = shared / "data" / "zstack_ome"
    assert bigstack("depth", source, "-o", tmp_path / "d.tif", "--blank", "unobserved")[0] == 0
    code, out, _ = bigstack("roughness", tmp_path / "d.tif", "--s-filter", "5", "--l-filter", "200", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["unit"] == "micrometer"
    assert 0.1 < found["Sa"] < found["Sq"] < found["Sz"] < 60
    assert found["share"] < 1


def test_profiles_as_table_and_plot(bigstack, depth, tmp_path):
    words = ("profile", depth, "--from", "5,10", "--to", "200,150", "--width", "3")
    expected = profile(open_stack(depth)[0, :, :, 0], (5, 10), (200, 150), width=3)
    assert bigstack(*words, "-o", tmp_path / "p.csv")[0] == 0
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    depths = [float(row["depth (micrometer)"]) for row in rows]
    np.testing.assert_allclose(depths, expected, rtol=1e-7)
    assert float(rows[-1]["distance (micrometer)"]) == pytest.approx(0.8 * np.hypot(195, 140))
    assert bigstack(*words, "-o", tmp_path / "p.json")[0] == 0
    assert json.loads((tmp_path / "p.json").read_text())["depth"] == expected.values.tolist()
    code, out, _ = bigstack(*words, "-o", tmp_path / "p.png")
    assert code == 0
    assert cv2.imread(str(tmp_path / "p.png")).shape[1] > 1000
    assert f"{expected.size} places" in out
    code, _, err = bigstack(*words, "-o", tmp_path / "p.png")
    assert code == 2
    assert "exists" in err
    assert bigstack(*words, "-o", tmp_path / "p.svg")[0] == 0
    assert bigstack(*words)[0] == 0


def test_bad_use_is_told(bigstack, depth, frames, tmp_path):
    np.save(tmp_path / "plain.npy", np.ones((9, 9), np.float32))
    (tmp_path / "r.json").write_text("mine")
    line = ("--from", "0,0", "--to", "5,5")
    for words, said in [
        (("roughness", tmp_path / "plain.npy"), "--z-scale"),
        (("roughness", frames), "5 frames, a depth map has one"),
        (("roughness", depth, "-o", tmp_path / "r.txt"), ".json"),
        (("roughness", depth, "-o", tmp_path / "r.json"), "exists"),
        (("roughness", depth, "--region", "1,2,3"), "x0,y0,x1,y1"),
        (("roughness", depth, "--region", "1,2,3,4.5"), "x0,y0,x1,y1"),
        (("roughness", depth, "--s-filter", "1"), "at least two pixels"),
        (("profile", depth, "--from", "0", "--to", "5,5"), "x,y"),
        (("profile", depth, "--from", "0,0", "--to", "500,5"), "is not on the map"),
        (("profile", depth, *line, "-o", tmp_path / "p.bmp"), ".csv, .json"),
        (("profile", depth, *line, "-o", tmp_path / "no" / "p.csv"), "does not exist"),
    ]:
        code, _, err = bigstack(*words)
        assert code in (1, 2)
        assert said in err
    assert (tmp_path / "r.json").read_text() == "mine"
    assert bigstack("roughness", depth, "-o", tmp_path / "r.json", "--overwrite")[0] == 0
