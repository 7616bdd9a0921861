"""A deep stack in bunches: a few images, each sharp over a slab, to retouch by hand or to fuse again."""

import bigstack

deep = bigstack.synthetic.render_stack(depth="ramp", shape=(240, 320), frames=24).stack
slabs = bigstack.bunch(deep, frames=8, overlap=2).persist()
for image, first, last in zip(slabs, slabs["first"].values, slabs["last"].values, strict=True):
    bigstack.write_image(image, f"frames_{first:02d}_{last:02d}.tif", overwrite=True)

bigstack.write_image(bigstack.fuse(slabs).image, "all.tif", overwrite=True)
print(f"{deep.sizes['z']} frames, {slabs.sizes['z']} bunches, 1 image")
