"""A focus map by a measure of one's own choice, as Zarr; and where in the picture the sharp pixels gather."""

import bigstack

stack = bigstack.synthetic.render_stack(depth="bump", shape=(240, 320), frames=5).stack

# Any of the 16 measures with its options; lazy, (z, y, x) float32.
focus = bigstack.measure_focus(stack, method="tenengrad", window=9, smoothing=1.5)
focus.to_dataset(name="focus").to_zarr("focus.zarr", mode="w", consolidated=False)  # chunk by chunk

density = bigstack.focus_density(focus, top_percent=10, bandwidth=12)
print("the centre of each frame's sharp region (y, x):")
for z, frame in enumerate(density.density.values):
    y, x = divmod(int(frame.argmax()), frame.shape[1])
    print(f"  frame {z}: {y:4d} {x:4d}")
