"""The documentation builds without a warning, and has every public name and every command."""

import importlib
import os
import re
import subprocess
import sys

import pytest

import bigstack
from bigstack.cli import cli

from .pages import REPOSITORY


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=REPOSITORY, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def anchors(site, pattern):
    return {name for page in site.glob(pattern) for name in re.findall(r'id="([^"]+)"', page.read_text())}


def test_every_public_name_is_in_the_reference(site):
    there = anchors(site, "api/*.html")
    expected = {f"bigstack.{name}" for name in bigstack.__all__} - {"bigstack.__version__"}
    for module in ("correct", "synthetic", "geometry", "cluster"):
        names = importlib.import_module(f"bigstack.{module}").__all__
        expected |= {f"bigstack.{module}.{name}" for name in names if not hasattr(bigstack, name)}
    assert not expected - there


def test_every_command_is_in_the_reference(site):
    there = anchors(site, "cli.html")
    assert {f"bigstack-{name}" for name in cli.commands} <= there
    page = (site / "cli.html").read_text()
    assert "Sentinel" not in page
    assert page.count("<dt>") > 300


def test_pages_that_are_made_of_other_files(site):
    assert "Changelog" in (site / "changelog.html").read_text()
    assert all((site / page).exists() for page in ("index.html", "benchmarks.html", "contributing.html"))
    books = {path.stem for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
    assert books == {path.stem for path in (site / "notebooks").glob("*.html")}
    there = anchors(site, "examples.html")
    scripts = {path.name.replace(".", "") for path in (REPOSITORY / "examples").glob("*.*")}
    assert scripts <= there


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loads = re.findall(
            r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="(https?:[^"]+)', page.read_text()
        )
        assert not loads, page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"url\([\"']?https?:", sheet.read_text()), sheet
