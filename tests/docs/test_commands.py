"""Commands, options and Python of README and docs are those that there are."""

import ast
import inspect
import re
import shlex

import click
import pytest

import bigstack
from bigstack.cli import cli
from bigstack.fusion import method_options

from .pages import PAGES, REPOSITORY, blocks, commands

NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
BENCHMARKS = set(
    re.findall(
        r'"(--[a-z-]+)"', "".join(path.read_text() for path in (REPOSITORY / "benchmarks").glob("*.py"))
    )
)
FOREIGN = {"--array", "--wrap", "--plugin", "--watch", "--help", "--index-url"}


def every_command(command=cli):
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from every_command(below)


OPTIONS = {
    name
    for command in every_command()
    for option in command.params
    for name in (*option.opts, *option.secondary_opts)
}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_are_understood(page, monkeypatch):
    monkeypatch.setattr(
        click.Path, "convert", lambda self, value, param, context: value
    )  # files are not here
    for block in blocks(page):
        for line in commands(block.text):
            words = shlex.split(line.replace("$SLURM_ARRAY_TASK_ID", "1"), comments=True)[1:]
            words = [word.replace("I/N", "1/2") for word in words if word != "..."]
            command, context = cli, click.Context(cli)
            while isinstance(command, click.Group) and not words[0].startswith("-"):
                _, command, words = command.resolve_command(context, words)
            try:
                command.make_context(command.name, words, parent=context)
            except click.exceptions.Exit:
                pass
            except click.ClickException as error:
                pytest.fail(f"{block.page}: {line}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_options_in_the_text_are_those_of_a_command(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`\n]+)`", text):
        if not re.match(r"(python|pip|apt-get|sbatch|bfconvert|make|mkdocs)\b", code):
            unknown = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", code)) - OPTIONS - BENCHMARKS - FOREIGN
            assert not unknown, f"{page.name}: `{code}`"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_calls_what_there_is(page):
    for block in blocks(page):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("bigstack"):
                    for name in node.names:
                        exec(f"from {node.module} import {name.name}")
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "bigstack":
                    assert hasattr(bigstack, node.attr), f"{block.page}: bigstack.{node.attr}"
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("bigstack.fuse", "fuse"):
                    check(node, method_options(option(node, "method", "pyramid")), block.page)
                elif isinstance(node, ast.Call) and re.fullmatch(r"bigstack\.\w+", ast.unparse(node.func)):
                    check(node, {}, block.page)


def option(node, name, default):
    values = [each.value for each in node.keywords if each.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else default


def check(node, more, page):
    known = inspect.signature(getattr(bigstack, ast.unparse(node.func).removeprefix("bigstack."))).parameters
    if any(each.kind is each.VAR_KEYWORD for each in known.values()) and not more:
        return
    for each in node.keywords:
        assert each.arg in known or each.arg in more, f"{page}: {ast.unparse(node)} has no {each.arg}"


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "CONTRIBUTING.md"], ids=[*NAMES, "CONTRIBUTING.md"])
def test_files_that_are_named_are_there(page):
    for named in re.findall(r"`((?:[\w.-]+/)+[\w-]+(?:\.(?:py|md|toml|ipynb|sh))?)`", page.read_text()):
        top = named.split("/")[0]
        if top in ("bigstack", "benchmarks", "tests", "docs", "examples", "notebooks") or named.endswith(
            ".py"
        ):
            places = (REPOSITORY / named, REPOSITORY / "bigstack" / named)
            assert any(place.exists() for place in places), f"{page.name}: {named}"
