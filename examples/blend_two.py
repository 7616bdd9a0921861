"""Blend two pictures, one focused on what is near and one on what is far."""

import bigstack

pair = bigstack.synthetic.render_stack(depth="layers", shape=(240, 320), frames=12)
two = pair.stack[[2, 9]]

fused = bigstack.fuse(two, method="blend")
bigstack.write_image(fused.image, "blended.png", overwrite=True)
# Which one is sharper: 0 is the near one, 1 the far one.
bigstack.write_image((fused["index"] * 255).astype("uint8"), "far.png", overwrite=True)
print(f"{float((fused['index'] == 1).mean()):.0%} of the pixels are sharper in the far picture")
