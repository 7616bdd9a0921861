"""The code blocks of README and docs."""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    page: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    name = str(page.relative_to(REPOSITORY))
    return [Block(name, found[1], found[2]) for found in FENCE.finditer(page.read_text())]


def commands(text: str) -> list[str]:
    """Lines that run bigstack, by themselves or in a batch queue; lines that go on are joined."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    wrapped = [re.search(r"--wrap '(.*)'", line) for line in lines]
    lines += [found[1] for found in wrapped if found]
    return [line.strip() for line in lines if re.match(r"\s*bigstack ", line)]
