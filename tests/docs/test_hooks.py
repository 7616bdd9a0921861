"""What the site adds to mkdocs: pages and names that nobody listed, links, formulas, commands."""

import importlib.util
from types import SimpleNamespace

import click
import pytest

import bigstack

from .pages import REPOSITORY


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", REPOSITORY / "docs" / "site" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(hooks, markdown, page):
    return hooks.on_page_markdown(
        markdown, page=SimpleNamespace(file=SimpleNamespace(src_uri=page)), config=None, files=None
    )


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("index.md", "docs/fusion.md#blocks", "fusion.md#blocks"),
        ("index.md", "benchmarks/README.md", "benchmarks.md"),
        ("index.md", "examples", "examples.md"),
        ("shinestacker.md", "../examples/shinestacker.toml", "examples.md#shinestackertoml"),
        ("howto/index.md", "../clusters.md", "../clusters.md"),
        ("howto/viewers.md", "../../CONTRIBUTING.md", "../contributing.md"),
        ("benchmarks.md", "../docs/depth.md", "depth.md"),
        ("index.md", "https://jobqueue.dask.org", "https://jobqueue.dask.org"),
    ],
)
def test_links_lead_to_pages(hooks, page, link, expected):
    assert shown(hooks, f"see [there]({link}).", page) == f"see [there]({expected})."


def test_formulas_are_mathml_but_not_in_code(hooks):
    text = hooks.formulas("of\n$`a_b`$ and\n\n$$x^2$$\n\n```\n$`a`$\n```\n")
    assert text.count("<math") == 2
    assert "of <math" in text
    assert "```\n$`a`$\n```" in text


def test_a_name_that_no_page_lists_is_listed(hooks, monkeypatch):
    assert hooks.unlisted() == ""
    monkeypatch.setattr(bigstack, "__all__", [*bigstack.__all__, "news"])
    assert "::: bigstack.news" in hooks.unlisted()


def test_a_page_that_nobody_listed_is_listed(hooks, tmp_path):
    from mkdocs.config import load_config
    from mkdocs.structure.files import File, Files

    config = load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(tmp_path))
    config.plugins._current_plugin = "hooks"
    files = Files([File.generated(config, "news.md", content="# News")])
    hooks.on_files(files, config=config)
    assert {"More": ["news.md"]} in config.nav
    assert any(file.src_uri == "notebooks/1-quick-start.md" for file in files)


def test_notebooks_keep_their_pictures(hooks):
    made = hooks.notebook(REPOSITORY / "notebooks" / "1-quick-start.ipynb")
    pictures = [name for name in made if name.endswith(".png")]
    assert pictures
    assert all(f"]({name})" in made["1-quick-start.md"] for name in pictures)


def test_commands_are_told_with_their_defaults(hooks):
    @click.command()
    @click.option("--size", default=3, show_default=True, help="Of <it> * two.")
    def grow(size):
        """Make it larger.

        \b
        Example:
          grow --size 4
        """

    text = hooks._command(grow, click.Context(click.Group("tool"), info_name="tool"))
    assert "## tool grow" in text
    assert "```text\nExample:\n  grow --size 4\n```" in text
    assert "`--size INTEGER`\n:   Of &lt;it&gt; \\* two.  [default: 3]" in text
