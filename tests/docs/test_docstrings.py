"""Every public function tells what it takes and gives, and shows it."""

import importlib
import inspect
import re

import pytest

from bigstack.blending import blend, depth_map, guided, wavelet, weighted
from bigstack.finishing import finish
from bigstack.fusion import average, depth, pyramid, select
from bigstack.io.metadata import read_metadata
from bigstack.kernels.focus import MEASURES
from bigstack.kernels.quality import depth_errors, psnr, qabf, ssim
from bigstack.report.page import write_report

MODULES = ("bigstack", "bigstack.correct", "bigstack.synthetic", "bigstack.geometry", "bigstack.cluster")
METHODS = (pyramid, select, average, depth, depth_map, weighted, guided, blend, wavelet)
MORE = (finish, read_metadata, depth_errors, psnr, qabf, ssim, write_report)
PUBLIC = {
    **{
        f"{module}.{name}": getattr(importlib.import_module(module), name)
        for module in MODULES
        for name in importlib.import_module(module).__all__
    },
    **{f"bigstack.fuse: {method.__name__}": method for method in METHODS},
    **{f"focus measure {name}": measure.function for name, measure in MEASURES.items()},
    **{f"{function.__module__}.{function.__name__}": function for function in MORE},
}
PUBLIC = {name: value for name, value in PUBLIC.items() if callable(value)}


def section(text, title):
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring(name):
    value = PUBLIC[name]
    text = inspect.getdoc(value) or ""
    if value not in METHODS:
        assert ">>> " in section(text, "Examples"), "no example"
    if inspect.isclass(value):
        return
    described = section(text, "Parameters")
    given = [p.name for p in inspect.signature(value).parameters.values()]
    if value in METHODS:  # the rest is between `fuse` and them
        given = [p.name for p in inspect.signature(value).parameters.values() if p.kind is p.KEYWORD_ONLY]
    missing = [p for p in given if not re.search(rf"^(\w+, )*{p}(,|$)", described, re.MULTILINE)]
    assert not missing, f"{missing} are not described"
    if inspect.signature(value).return_annotation not in ("None", None):
        gives = section(text, "Returns") + section(text, "Yields")
        assert value in METHODS or gives, "what it returns is not described"
