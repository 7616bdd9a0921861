"""Every command of the tutorial runs, and says what the page says it does, but for the time it took."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout

import pytest

from bigstack.cli import cli

from .pages import REPOSITORY, blocks, commands


def lines_of(text):
    plain = re.sub(r"\d[\d.]*", "#", text)
    return {" ".join(line.split()) for line in plain.splitlines() if line.strip()}


def decibels(text):
    return [float(number) for number in re.findall(r"([\d.]+) dB", text)]


def test_tutorial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, said = {}, ""
    for block in blocks(REPOSITORY / "docs" / "tutorial.md"):
        if block.language == "text":
            if "pip install" not in block.text:
                assert lines_of(block.text) <= lines_of(said), said
                assert decibels(block.text) == pytest.approx(decibels(said), abs=0.6)
            continue
        heard = io.StringIO()
        with redirect_stdout(heard), redirect_stderr(heard):
            if block.language == "bash":
                for line in commands(block.text):
                    cli.main(shlex.split(line)[1:], standalone_mode=False)
            else:
                exec(block.text, names)
        said = heard.getvalue()
