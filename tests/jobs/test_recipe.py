"""Jobs as values and as TOML: what is read is what was written, and mistakes are told."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import Job
from bigstack.errors import InputError, StackError
from bigstack.jobs.check import check_job
from bigstack.jobs.recipe import Step
from bigstack.jobs.steps import KINDS
from bigstack.jobs.template import template
from bigstack.kernels.registration.plausible import Limits

numbers = st.integers(-5, 5) | st.floats(-1e6, 1e6) | st.booleans() | st.text(max_size=8)
names = st.text("abcdef_", min_size=1, max_size=6)
values = st.recursive(
    numbers, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
steps = st.builds(
    Step,
    do=st.sampled_from([*KINDS]),
    name=st.sampled_from(["", "one", "two"]),
    source=st.lists(names, max_size=2).map(tuple),
    enabled=st.booleans(),
    keep=st.booleans(),
    naming=st.dictionaries(st.sampled_from(["prefix", "suffix"]), st.text(max_size=5)),
    options=st.dictionaries(names.map("x_{}".format), values, max_size=4),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(steps, max_size=4), st.dictionaries(names, values, max_size=3))
def test_toml_and_back(made, options):
    job = Job({"path": "photos", **options}, {"folder": "out"}, made, {"workers": 2})
    again = Job.from_toml(job.to_toml())
    assert again.to_dict() == job.to_dict()
    assert tomllib.loads(job.to_toml()) == job.to_dict()


def test_python_values_become_plain():
    job = Job(Path("in"), Path("out")).add("align", limits=Limits(scale=1.1), reference=np.int64(2))
    assert job.to_dict()["input"] == {"path": "in"}
    assert job.steps[0].options["limits"]["scale"] == 1.1
    assert job.steps[0].options["reference"] == 2
    assert check_job(job.add("fuse")).node("align").options["limits"] == Limits(scale=1.1)


def test_the_template_is_a_job_with_every_option():
    text = template()
    job = Job.from_toml(text)
    job.check()
    assert [step.do for step in job.steps] == [*KINDS]
    for kind in KINDS.values():
        for name in kind.options({}):
            assert f"# {name} =" in text


def test_all_steps_of_the_template_can_be_enabled():
    Job.from_toml(template().replace("enabled = false\n", "")).check()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[steps]]\ndo = "fuze"', "unknown kind of step 'fuze'; did you mean 'fuse'"),
        ('[[steps]]\ndo = "fuse"\nmethod = "pyramids"', "did you mean 'pyramid'"),
        ('[[steps]]\ndo = "fuse"\nlevel = 3', "did you mean 'levels'"),
        ('[[steps]]\ndo = "fuse"\nlevels = "three"', "levels takes a whole number, got 'three'"),
        ('[[steps]]\ndo = "fuse"\nsmoothing = 2.0', "smoothing of step 'fuse' belongs to method 'select'"),
        ('[[steps]]\ndo = "fuse"\nfrom = "aline"', "unknown step in from of 'fuse'"),
        ('[[steps]]\ndo = "fuse"\nfrom = "align"\n[[steps]]\ndo = "align"', "which no step before it gives"),
        ('[[steps]]\ndo = "align"\nenabled = "yes"', "enabled takes true or false"),
        ('[[steps]]\ndo = "align"', "nothing comes of step 'align'"),
        (
            '[[steps]]\ndo = "fuse"\nname = "a"\n[[steps]]\ndo = "fuse"\nname = "a"',
            "two steps are called 'a'",
        ),
        ('[[steps]]\ndo = "fuse"\nname = "../a"', "cannot be called"),
        ('[[steps]]\ndo = "fuse"\nkeep = true', "keep is for steps that give a stack"),
        ('[[steps]]\ndo = "fuse"\nfilename = "{stak}"', "did you mean 'stack'"),
        ('[[steps]]\ndo = "fuse"\nfilename = "a/b"', "names a folder"),
        ('[[steps]]\ndo = "fuse"\nformat = "tiff2"', "did you mean 'tiff'"),
        ('[[steps]]\nmethod = "pyramid"', "needs a kind"),
        ('[[step]]\ndo = "fuse"', "did you mean 'steps'"),
        ("", "no step that is enabled"),
        (
            '[[steps]]\ndo = "fuse"\noutputs = ["dept"]',
            "unknown output of step 'fuse' 'dept'; did you mean 'depth'",
        ),
        ("[run]\nworker = 2", "did you mean 'workers'"),
        ("[output]\nquality = 1.5", "quality takes a whole number"),
        ("[[steps]", "is no TOML"),
        ('steps = "fuse"', r"written as \[\[steps\]\]"),
    ],
)
def test_mistakes_are_told(text, message):
    with pytest.raises(InputError, match=message):
        Job.from_toml(text + '\n[input]\npath = "photos"\n').check()


def test_all_mistakes_are_told_at_once():
    job = Job({"pth": "photos"}).add("fuse", levls=2).add("alignn")
    with pytest.raises(InputError) as told:
        job.check()
    for text in ("'pth'", "'levls'", "'alignn'", "needs a path"):
        assert text in str(told.value)


def test_a_disabled_step_is_passed_through():
    job = Job("in").add("balance").add("align", enabled=False).add("fuse", source="align")
    assert check_job(job).node("fuse").sources == ("balance",)
    with pytest.raises(InputError, match="not enabled"):
        Job("in").add("fuse", enabled=False).add("denoise", source="fuse", keep=True).check()


def test_settings_change_one_option():
    job = Job("in").add("fuse").add("fuse", name="b")
    assert job.set({"b.method": "average", "run.workers": 1}).to_dict()["steps"][1]["method"] == "average"
    for name, message in (("c.method", "unknown step 'c'"), ("method", "is not step.option")):
        with pytest.raises(InputError, match=message):
            job.set({name: 1})


def test_a_missing_job_file(tmp_path):
    with pytest.raises(StackError, match="cannot be read"):
        Job.read(tmp_path / "no.toml")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match="no record of a run"):
        Job.read(tmp_path / "a.json")
