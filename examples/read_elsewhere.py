"""Read what bigstack wrote without bigstack: tifffile and zarr are enough."""

import tifffile
import zarr

import bigstack

stack = bigstack.synthetic.render_stack(shape=(240, 320), frames=4).stack
fused = bigstack.fuse(stack)
bigstack.write_image(fused.image, "fused.ome.zarr", overwrite=True)
bigstack.write_image(fused.depth, "depth.tif", overwrite=True)

group = zarr.open_group("fused.ome.zarr", mode="r")
scales = group.attrs["ome"]["multiscales"][0]
for level in scales["datasets"]:
    print("resolution", level["path"], group[level["path"]].shape, [axis["name"] for axis in scales["axes"]])

depth = tifffile.imread("depth.tif")
print("depth", depth.shape, depth.dtype, "from", depth.min(), "to", depth.max())
