"""Align a hand-held stack; look at what was found, save it, use it again."""

from pathlib import Path

import bigstack
from bigstack.geometry.alignment import Alignment

moved = bigstack.synthetic.render_stack(shape=(240, 320), frames=6, breathing=0.03, shift=3, rotation=0.3)

alignment = bigstack.estimate_alignment(moved.stack, model="similarity", reference="middle")
motion = alignment.decompose()
for z, frame in enumerate(alignment.frames):
    says = f"scale {motion['scale'][z]:.4f}, rotation {motion['rotation'][z]:+.3f}"
    print(f"frame {z}: {says}, residual {frame.residual or 0:.2f} px, {', '.join(frame.flags) or 'in order'}")

Path("alignment.json").write_text(
    alignment.to_json()
)  # may be edited, or used by `bigstack stack --alignment`
again = Alignment.from_json(Path("alignment.json").read_text())
aligned = bigstack.apply_alignment(moved.stack, again, crop=True)  # lazy
print(f"{moved.stack.shape} became {aligned.shape}")
bigstack.write_image(bigstack.fuse(aligned).image, "fused.png", overwrite=True)
