"""What mkdocs does beyond its settings: pages made of other files, links between them, formulas.

README, changelog, contributing, benchmarks, examples and notebooks are pages without a copy of them in docs/.
A page or a public name that nobody put anywhere is found under "More".
"""

from __future__ import annotations

import base64
import inspect
import json
import os.path
import re
from html import escape
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
WHOLE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "examples": "examples.md",
    "notebooks": "notebooks.md",
}
"""Files and folders of the repository, and the pages that show them."""

LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?\)")

NAME = re.compile(r"(?<!autoref>)<code>(bigstack\.[\w.]+)</code>")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that are made of other files, and list those that nobody listed."""
    for source, page in WHOLE.items():
        if source.endswith(".md"):
            files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    files.append(File.generated(config, "examples.md", content=examples()))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for name, content in notebook(path).items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    listed = set(re.findall(r"[\w/.-]+\.md", str(config.nav)))
    more = [f.src_uri for f in files.documentation_pages() if f.src_uri not in listed]
    books = [page for page in more if page.startswith("notebooks/")]
    others = [page for page in more if page not in books]
    config.nav += [{"Notebooks": books}, *([{"More": others}] if others else [])]
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Make links of the repository links of the site, and formulas MathML."""
    here = page.file.src_uri
    source = next((source for source, shown in WHOLE.items() if shown == here), f"docs/{here}")
    if here == "api/index.md":
        markdown += unlisted()
    if here == "api/focus.md":
        markdown += measures()
    if here == "cli.md":
        markdown += commands()
    return LINK.sub(lambda found: _link(found, source, here), formulas(markdown))


def on_page_content(html: str, **_: Any) -> str:
    """Make names of ours in the text links to the reference, where it has them."""
    return NAME.sub(r'<autoref optional identifier="\1"><code>\1</code></autoref>', html)


def _link(found: re.Match[str], source: str, here: str) -> str:
    start, target, anchor = found[1], found[2], found[3] or ""
    path = os.path.normpath(Path(source).parent / target)
    if path.startswith("docs/"):
        shown = path.removeprefix("docs/")
    else:
        folder, _, name = path.partition("/")
        shown = WHOLE.get(path) or WHOLE.get(folder, path)
        if folder == "examples" and name:
            anchor = "#" + _anchor(name)
    return f"{start}{os.path.relpath(shown, Path(here).parent)}{anchor})"


def _anchor(name: str) -> str:
    return name.replace(".", "").lower()


def examples() -> str:
    """Every script of examples/, under its name."""
    text = ["# Examples", "Short scripts, one idea each; the tests run them all.", ""]
    for path in sorted((ROOT / "examples").iterdir()):
        if kind := {".py": "python", ".toml": "toml", ".sh": "sh"}.get(path.suffix):
            text += [
                f"## {path.name} {{#{_anchor(path.name)}}}",
                f"```{kind}",
                path.read_text().strip(),
                "```",
                "",
            ]
    return "\n".join(text)


def notebook(path: Path) -> dict[str, str | bytes]:
    """The page of a notebook, and its pictures, by name."""
    text: list[str] = []
    files: dict[str, str | bytes] = {}
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        body = "".join(cell["source"])
        text.append(body if cell["cell_type"] == "markdown" else f"```python\n{body}\n```")
        for part, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{path.stem}-{number}-{part}.png"
                files[name] = base64.b64decode(data["image/png"])
                text.append(f"![What the cell above shows]({name})")
            elif "".join(data.get("text/html", "")).startswith("<table"):
                text.append("".join(data["text/html"]))
            elif said := "".join(output.get("text", data.get("text/plain", ""))).strip():
                text.append(f"```text\n{said}\n```")
    return files | {f"{path.stem}.md": "\n\n".join(text) + "\n"}


def unlisted() -> str:
    """Directives for the public names that no page of the reference lists."""
    import bigstack

    pages = "".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.md"))
    listed = set(re.findall(r"^::: bigstack\.(\w+)$", pages, re.MULTILINE))
    names = [name for name in bigstack.__all__ if name not in {*listed, "__version__"}]
    return "\n## More\n\n" + "\n\n".join(f"::: bigstack.{name}" for name in names) if names else ""


def measures() -> str:
    """Directives for every focus measure, with its source."""
    from bigstack.kernels.focus import MEASURES

    options = "    options: { heading_level: 3, show_root_full_path: false }"
    each = (
        f"::: bigstack.kernels.focus.{name}.{name}\n{options}\n\nSource: {MEASURES[name].source}.\n"
        for name in sorted(MEASURES)
    )
    return "\n" + "\n".join(each)


def commands() -> str:
    """Usage, help and options of every command, from click."""
    from bigstack.cli import cli

    context = click.Context(cli, info_name="bigstack")
    return "\n".join(_command(cli.commands[name], context) for name in sorted(cli.commands))


def _command(command: click.Command, above: click.Context, mark: str = "##") -> str:
    context = click.Context(command, parent=above, info_name=command.name)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = [f"{mark} {context.command_path}\n", f"```text\n{usage}\n```\n"]
    for part in inspect.cleandoc(command.help or "").split("\n\n"):
        kept = part.startswith("\b")
        text.append(f"```text\n{part[1:].strip()}\n```\n" if kept else f"{escape(part, quote=False)}\n")
    text += [_option(option, context) for option in command.params if isinstance(option, click.Option)]
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return "\n".join([*text, *(_command(each, context, mark + "#") for each in below)])


def _option(option: click.Option, context: click.Context) -> str:
    names, said = option.get_help_record(context) or ("", "")
    return f"`{names}`\n:   {escape(said, quote=False).replace('*', chr(92) + '*')}\n" if names else ""


def formulas(markdown: str) -> str:
    """Write $$ and $` formulas, as GitHub has them, as MathML, which browsers show by themselves."""
    from latex2mathml.converter import convert

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)
    for i in range(0, len(parts), 2):
        text = re.sub(
            r"^\$\$(.+?)\$\$$", lambda f: convert(f[1], display="block"), parts[i], flags=re.M | re.S
        )
        text = re.sub(r"\$`(.+?)`\$", lambda f: convert(f[1]), text)
        parts[i] = re.sub(
            r"(?<!\n)\n(<math[^>]*inline)", r" \1", text
        )  # a line of HTML would end the paragraph
    return "".join(parts)
