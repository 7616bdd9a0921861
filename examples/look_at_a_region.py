"""Look at a corner of the fused image of a stack of 240 GB: only what it depends on is read and computed."""

import time

import bigstack

# 8 frames of 100 000 x 100 000 pixels in colour, rendered where they are read, as a file would be.
stack = bigstack.synthetic.render_stack(shape=(100_000, 100_000), frames=8, tile=512).stack

started = time.perf_counter()
fused = bigstack.fuse(stack, method="select", tile=512)  # lazy; a pyramid depends on more around each pixel
print(f"{stack.nbytes / 1e9:.0f} GB; an image of {fused.image.shape} is planned, nothing is computed yet")

corner = fused.image[50_000:50_100, 60_000:60_150].compute()
print(f"{corner.shape} of it in {time.perf_counter() - started:.1f} s")
