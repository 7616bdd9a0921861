"""Importing bigstack and asking for help must not load what only a run needs."""

import subprocess
import sys

import pytest

HEAVY = {"dask", "xarray", "zarr", "cv2", "scipy", "skimage", "tifffile", "distributed", "matplotlib", "rich"}


@pytest.mark.parametrize(
    "code",
    [
        "import bigstack; dir(bigstack)",
        "import bigstack.synthetic",
        "from bigstack.cli import cli; cli(['--help'], standalone_mode=False)",
        "from bigstack.cli import cli; cli(['stack', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported(code):
    check = f"{code}\nimport sys; print('loaded:', *sorted({HEAVY} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1].strip() == "loaded:"


def test_public_names_are_there():
    import bigstack

    for name in bigstack.__all__:
        assert getattr(bigstack, name) is not None
    assert callable(bigstack.fuse)
    with pytest.raises(AttributeError, match="no attribute 'fuze'"):
        bigstack.fuze  # noqa: B018


def test_the_command_line_lists_what_the_library_has():
    from typing import get_args

    from bigstack.fusion import METHODS
    from bigstack.kernels.focus import MEASURES
    from bigstack.kernels.focus.rdf import BORDERS, NORMALIZATIONS
    from bigstack.names import Border, FocusMeasure, FusionMethod, Normalization

    assert set(get_args(FusionMethod)) == set(METHODS)
    assert list(get_args(FocusMeasure)) == list(MEASURES)
    assert set(get_args(Border)) == set(BORDERS)
    assert set(get_args(Normalization)) == set(NORMALIZATIONS)
