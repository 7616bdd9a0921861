"""Depth in micrometres with its standard deviation, and a mesh of it with the picture on it."""

from pathlib import Path

import bigstack

rendered = bigstack.synthetic.render_stack(depth="bump", shape=(240, 320), frames=8)
Path("slices").mkdir(exist_ok=True)
for number, frame in enumerate(rendered.stack):
    bigstack.write_image(frame, f"slices/slice_{number}.tif", overwrite=True)

# Frames 5 micrometres apart, pixels of 1.2: what a microscope's own file says by itself.
stack = bigstack.open_stack("slices", z=5.0, pixel_size=1.2)

found = bigstack.depth_from_focus(stack).compute()
error = abs(found.depth.values - 5.0 * rendered.truth.depth.values)
print(f"depth {float(found.depth.min()):.1f} to {float(found.depth.max()):.1f} micrometres")
median = sorted(error.flat)[error.size // 2]
print(f"off by {median:.2f} in the median; sigma is {float(found.sigma.median()):.2f}")

mesh = bigstack.surface(found.depth, texture=bigstack.fuse(stack).image, valid=found.valid, triangles=20_000)
print(*bigstack.write_mesh(mesh, "surface.glb", overwrite=True), len(mesh.faces), "triangles")
