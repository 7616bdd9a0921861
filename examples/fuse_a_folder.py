"""Fuse a folder of photographs: python fuse_a_folder.py FOLDER; rendered ones where none is given."""

import sys
from pathlib import Path

import bigstack


def photographs(folder: Path) -> Path:
    """Six pictures of a scene with near and far things, as a camera would write them."""
    folder.mkdir(exist_ok=True)
    rendered = bigstack.synthetic.render_stack(depth="steps", shape=(240, 320), frames=6)
    for number, frame in enumerate(rendered.stack):
        bigstack.write_image(frame, folder / f"frame_{number}.jpg", overwrite=True)
    return folder


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else photographs(Path("photos"))
    stack = bigstack.open_stack(folder)
    alignment = bigstack.estimate_alignment(stack)
    fused = bigstack.fuse(bigstack.apply_alignment(stack, alignment))
    bigstack.write_image(fused.image, "fused.tif", overwrite=True)
    print(f"fused.tif: {stack.sizes['z']} frames, the sharpest is {bigstack.best_frame(stack)}")
