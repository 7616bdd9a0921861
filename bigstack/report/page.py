"""The report: one HTML page that shows whether a result can be trusted, and needs nothing but itself."""

from __future__ import annotations

import datetime
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

import bigstack
from bigstack.errors import InputError, OutputExistsError
from bigstack.report import pictures
from bigstack.report.charts import Curve, chart
from bigstack.report.facts import Facts
from bigstack.report.maps import SHOWN, gather, mask_bits, shown, surface
from bigstack.report.steps import Shown, show_step

RESULT_SIDE, RESULT_BYTES = 3600, 3_000_000
FRAMES_BYTES = 3_500_000
FRAME_SIDES = (1600, 1200, 900, 640, 480, 320, 200)
SMALL = 12_000
"""Fewest bytes that a frame's picture is worth."""
MASKS = {"valid": ("no evidence", (255, 80, 80)), "unobserved": ("never seen sharp", (255, 170, 40))}


def check_report(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Refuse, before any work, a report that could not be written after it.

    Raises
    ------
    OutputExistsError
        When it is there and `overwrite` is not set.
    InputError
        When its folder is missing, or its name ends in anything but .html, or jinja2 is not installed.
    """
    found = Path(path).absolute()
    if found.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report is an .html file, got {os.fspath(path)!r}")
    if not found.parent.is_dir():
        raise InputError(f"cannot write {found}: its folder does not exist; create it first")
    if found.exists() and not overwrite:
        raise OutputExistsError(
            f"{found} exists; allow to overwrite it (--overwrite), or choose another name"
        )
    try:
        import jinja2  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError("a report needs jinja2: pip install 'bigstack[report]'") from error
    return found


def write_report(facts: Facts, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the report of a run: one page for any browser, of at most 15 MB whatever the result's size.

    Reads every frame twice more (sharpness, small pictures), and balanced stacks once for their histograms.

    Parameters
    ----------
    facts
        What the run was and found.
    path
        ``.html``.
    overwrite
        Whether a page that is there already may be replaced.

    Returns
    -------
    Path
        The page, whole.

    Raises
    ------
    OutputExistsError
        When it is there and `overwrite` is not set.
    InputError
        For another ending, or when jinja2 is missing.

    Examples
    --------
    >>> import tempfile
    >>> from bigstack.synthetic import render_stack
    >>> facts = Facts(render_stack(shape=(48, 64), frames=3).stack)
    >>> write_report(facts, tempfile.mkdtemp() + "/report.html").name
    'report.html'
    """
    found = check_report(path, overwrite=overwrite)
    text = render(facts)
    partial = found.with_name(found.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(found)
    return found


def render(facts: Facts) -> str:
    """The page as text."""
    import jinja2
    from markupsafe import Markup

    folder = resources.files("bigstack.report") / "templates"
    texts = {
        name: (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(texts["page.html"]).render(
        css=Markup(texts["page.css"]), script=Markup(texts["page.js"]), **_context(facts)
    )


def _context(facts: Facts) -> dict[str, Any]:
    maps = gather(facts)
    data, picture_note = _data(facts, maps)
    steps = [show_step(n, stack, value) for n, (stack, value) in enumerate(facts.found, 1)]
    sharp = _sharpness(facts)
    columns, rows = _table(facts, sharp)
    audit = facts.read.attrs.get("audit") or {}
    frames, height, width, channels = facts.stack.shape
    contents = [("summary", "Summary")]
    contents += [("result", "Result")] if data["picture"] else []
    contents += [("depth", "Depth"), ("surface", "Surface")] if data["maps"] else []
    contents += [("frames", "Frames"), *((step.id, step.title) for step in steps)]
    contents += [("time", "Time")] if facts.spans else []
    return {
        "version": bigstack.__version__,
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "title": facts.title,
        "subtitle": f"{frames} frames of {width} x {height} pixels, {channels} channels, {facts.stack.dtype}",
        "contents": [*contents, ("again", "Do it again")],
        "tiles": _tiles(facts, data),
        "findings": _findings(facts, data, steps),
        "picture": bool(data["picture"]),
        "picture_note": picture_note,
        "frame_names": data["names"],
        "maps": data["maps"],
        "masks": [{**m, "share": f"{m['part']:.1%}"} for m in data["masks"]],
        "depth_note": _depth_note(facts, maps),
        "audit_note": _audit_note(audit, facts),
        "warnings": audit.get("warnings", []),
        "skipped": audit.get("skipped", []),
        "sharpness": _sharpness_chart(facts, sharp),
        "sharpness_note": "Mean focus measure (Tenengrad) of each frame, as it was fused.",
        "frames": rows,
        "frame_columns": columns,
        "steps": steps,
        "spans": _spans(facts),
        "command": facts.command,
        "parameters": [(str(k), str(v)) for k, v in facts.parameters.items() if v not in (None, {}, [])],
        "origins": _origins(facts),
        "data": data,
    }


def _data(facts: Facts, maps: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What the page's script needs, and what there is to say about the picture."""
    frames = facts.stack.sizes["z"]
    result, tone, note = _result(facts)
    chosen, sources, small = _frames(facts, tone)
    if result is None and "index" in maps:
        result = _composed(small, chosen, maps["index"])
        note = "Put together from the frames' previews by the depth map; no image was fused."
    if len(chosen) < frames:
        note += f" {len(chosen)} of {frames} frames can be compared with, to keep the page small."
    first = maps.get("depth") or next(iter(maps.values()), None)
    numbers = [
        m for name in SHOWN if name in maps if (m := shown(name, maps[name], facts.units.get(name, "")))
    ]
    numbers = numbers if numbers and numbers[0].name == "depth" else []
    masks = []
    for name, (label, colour) in MASKS.items():
        if name in maps and numbers:
            bits, part = mask_bits(maps[name], negate=name == "valid")
            masks.append({"label": label, "colour": colour, "data": bits, "part": part, "shown": part < 0.9})
    relief = _relief(facts, numbers[0]) if numbers else None
    picture = pictures.jpeg_within(result, RESULT_BYTES) if result is not None else b""
    names = facts.names
    return {
        "picture": pictures.url(picture) if picture else "",
        "shape": list(facts.stack.shape[1:3]),
        "frames": sources,
        "names": [names[z] for z in chosen],
        "first": len(chosen) // 2,
        "maps": [vars(m) for m in numbers],
        "masks": masks,
        "mapShape": list(first.values.shape) if first else [0, 0],
        "mapFull": list(first.shape) if first else [0, 0],
        "step": first.step if first else 1,
        "relief": relief or 0.4,
        "trueHeight": relief is not None,
        "surface": surface(maps["depth"], numbers[0], smooth="sigma" not in maps) if numbers else {},
    }, note


def _result(facts: Facts) -> tuple[np.ndarray | None, pictures.Tone | None, str]:
    if "image" not in facts.outputs:
        return None, None, ""
    read, shape, dtype = pictures.opened_image(facts.outputs["image"], RESULT_SIDE)
    pixels = pictures.reduced(read, shape, RESULT_SIDE)
    tone = pictures.Tone.of(pixels, dtype)
    height, width = facts.stack.shape[1:3]
    note = "" if max(height, width) <= RESULT_SIDE else f"A preview of {height} x {width} pixels."
    if dtype != np.uint8:
        note += " Toned from the 0.1st to the 99.9th percentile, all pictures alike."
    return tone.picture(pixels), tone, note.strip()


def _frames(facts: Facts, tone: pictures.Tone | None) -> tuple[list[int], list[str], list[np.ndarray]]:
    """Numbers of the frames that fit the page, their pictures as URLs and as pixels."""
    count = facts.stack.sizes["z"]
    chosen = sorted({round(float(z)) for z in np.linspace(0, count - 1, min(count, FRAMES_BYTES // SMALL))})
    shape = facts.stack.shape[1:3]
    budget = FRAMES_BYTES // len(chosen)
    side = next(
        (s for s in FRAME_SIDES if (s * s * min(shape) / max(shape)) * 0.14 <= budget), FRAME_SIDES[-1]
    )

    def small(z: int) -> np.ndarray:
        return pictures.reduced(pictures.frame_reader(facts.stack, z), shape, side)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        pixels = list(pool.map(small, chosen))
        used = tone or pictures.Tone.of(pixels[len(pixels) // 2], facts.stack.dtype)
        shown_ = [used.picture(p) for p in pixels]
        sources = [pictures.url(data) for data in pool.map(lambda p: pictures.jpeg_within(p, budget), shown_)]
    return chosen, sources, shown_


def _composed(frames: list[np.ndarray], chosen: list[int], index: Any) -> np.ndarray:
    """Pick each pixel of the small frames from the one nearest to its index."""
    height, width = frames[0].shape[:2]
    rows = (np.arange(height) * index.values.shape[0] // height)[:, None]
    columns = (np.arange(width) * index.values.shape[1] // width)[None]
    wanted = np.asarray(index.values)[rows, columns].astype(int)
    nearest = np.abs(wanted[..., None] - np.array(chosen)).argmin(axis=-1)
    picked = np.take_along_axis(np.stack(frames), nearest[None, ..., None], axis=0)
    return np.ascontiguousarray(picked[0])


def _relief(facts: Facts, depth: Any) -> float | None:
    """Height of the surface against half the longer side; None where one of them is no length."""
    size = facts.stack.attrs.get("pixel_size")
    if size and depth.unit not in ("", "frame"):
        true = (depth.bright - depth.dark) / (max(facts.stack.shape[1:3]) * float(size[2]) / 2)
        return float(true)
    return None


def _sharpness(facts: Facts) -> np.ndarray | None:
    from bigstack.focus import sharpness

    try:
        return np.asarray(sharpness(facts.stack).values).reshape(facts.stack.sizes["z"])
    except InputError:  # frames smaller than the measure's window
        return None


def _sharpness_chart(facts: Facts, values: np.ndarray | None) -> Any:
    if values is None:
        return ""
    z = facts.stack.coords["z"].values if "z" in facts.stack.coords else np.arange(len(values))
    unit = facts.units.get("depth", "frame")
    best = int(np.argmax(values))
    return chart(
        [Curve("", z, values)],
        x_label=f"z / {unit}", y_label="mean focus", title="Sharpness of the frames over z",
        marks=[(float(z[best]), f"frame {best}")], zero=True,
    )  # fmt: skip


def _table(facts: Facts, sharp: np.ndarray | None) -> tuple[list[str], list[dict[str, Any]]]:
    """The frames as they were fused: name, z, sharpness, how they moved."""
    from bigstack.geometry.alignment import Alignment

    aligned = next((value for _, value in facts.found if isinstance(value, Alignment)), None)
    z = facts.stack.coords["z"].values if "z" in facts.stack.coords else np.arange(facts.stack.sizes["z"])
    kept = aligned.kept if aligned and len(aligned.kept) == len(z) else ()
    parts = aligned.decompose() if aligned else {}
    columns = ["", "frame", f"z / {facts.units.get('depth', 'frame')}"]
    columns += ["sharpness"] if sharp is not None else []
    columns += ["shift x, y / pixel", "scale", "rotation / degree"] if kept else []
    columns += ["residual / pixel", "remarks"] if kept else []
    rows = []
    for n, name in enumerate(facts.names):
        cells: list[str] = [str(n), name, f"{float(z[n]):.6g}"]
        cells += [f"{sharp[n] / max(float(sharp.max()), 1e-300):.1%}"] if sharp is not None else []
        odd = False
        if kept:
            k = kept[n]
            frame = aligned.frames[k] if aligned else None
            assert frame is not None
            cells += [
                f"{parts['shift_x'][k]:+.2f}, {parts['shift_y'][k]:+.2f}",
                f"{parts['scale'][k]:.5f}",
                f"{parts['rotation'][k]:+.4f}",
                "" if frame.residual is None else f"{frame.residual:.2f}",
                ", ".join(frame.flags),
            ]
            odd = bool(frame.flags)
        rows.append({"cells": cells, "odd": odd})
    return columns, rows


def _tiles(facts: Facts, data: dict[str, Any]) -> list[tuple[str, str]]:
    seconds = sum(span.seconds for span in facts.spans)
    memory = max((span.memory or 0 for span in facts.spans), default=0)
    frames, height, width = facts.stack.shape[:3]
    tiles = [("frames", str(frames)), ("pixels", f"{width} x {height}")]
    if data["maps"]:
        depth = data["maps"][0]
        tiles.append(("depth", f"{depth['low']:.5g} to {depth['high']:.5g} {depth['unit']}"))
    if seconds:
        tiles.append(("time", f"{seconds:.1f} s"))
        tiles.append(("speed", f"{frames * height * width / seconds / 1e6:.0f} Mpix/s"))
    return [*tiles, ("memory", f"{memory / 1e9:.2f} GB")] if memory else tiles


def _findings(facts: Facts, data: dict[str, Any], steps: list[Shown]) -> list[tuple[str, str]]:
    """What one should know first: what was odd, or that nothing was."""
    from bigstack.geometry.alignment import Alignment

    found = [("warn", text) for text in facts.notes]
    for _, value in facts.found:
        if isinstance(value, Alignment) and value.flagged:
            names = ", ".join(str(z) for z in value.flagged[:20])
            found.append(
                ("warn", f"The alignment marks {len(value.flagged)} frames: {names}; see Alignment.")
            )
    found += [
        ("warn", f"{mask['part']:.1%} of the pixels: {mask['label']}; see Depth.")
        for mask in data["masks"]
        if mask["part"] > 0.02
    ]
    if any(sampled.missing for sampled in facts.maps.values()):
        text = "Maps lack the tiles of an earlier run; write them (--depth-out) to see all of them."
        found.append(("warn", text))
    if "depth" in facts.units and not data["maps"]:
        text = "Depth is not shown: it was not computed in this run, or not kept for an image this large. "
        found.append(("warn", text + "Write it (--depth-out) to see it here."))
    return found or [("good", "All frames were used and nothing was odd.")]


def _depth_note(facts: Facts, maps: dict[str, Any]) -> str:
    if "sigma" in maps:
        return "Depth between frames, with its standard deviation; dark grey has no value."
    return (
        "Position of the frame that is sharpest at the pixel. A depth between frames, with its uncertainty, "
        "is what bigstack depth (or --method depth) finds."
    )


def _audit_note(audit: dict[str, Any], facts: Facts) -> str:
    checked = audit.get("checked")
    text = f"{facts.read.sizes['z']} frames were read"
    if audit.get("skipped"):
        text += f", {len(audit['skipped'])} were left out"
    if facts.stack.sizes["z"] != facts.read.sizes["z"]:
        text += f", {facts.stack.sizes['z']} were fused"
    return text + (f". Checked: {', '.join(checked)}." if checked else ".")


def _spans(facts: Facts) -> list[dict[str, Any]]:
    total = sum(span.seconds for span in facts.spans) or 1.0
    return [
        {
            "name": span.name,
            "time": f"{span.seconds:.2f} s",
            "share": round(100 * span.seconds / total, 1),
            "memory": "" if span.memory is None else f"{span.memory / 1e6:.0f} MB",
        }
        for span in facts.spans
    ]


def _origins(facts: Facts) -> list[tuple[str, str]]:
    rows = [
        ("bigstack", bigstack.__version__),
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"),
        ("source", str(facts.read.attrs.get("source", ""))),
    ]
    return [*rows, *((name, str(path)) for name, path in facts.outputs.items())]
