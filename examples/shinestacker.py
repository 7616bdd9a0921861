"""The usage example of focusstack/shinestacker's README, three chained jobs there, as one job.

python examples/shinestacker.py photos/ stacked/
"""

import sys

import bigstack

job = (
    bigstack.Job(sys.argv[1], {"folder": sys.argv[2], "format": "tif"})
    .add("hot_pixels", thresholds=13.0)  # NoiseDetection() and MaskNoise()
    .add("vignetting", method="rings", model="sigmoid", black_threshold=1.0)  # Vignetting()
    .add("align", border="replicate-blur")  # AlignFrames()
    .add("balance", space="lumi", mask_size=0.9, intensity=(0.6, 254.4))  # BalanceFrames(...), of 8 bit
    # FocusStackBunch("batches", PyramidStack(), frames=10, overlap=2, denoise=0.8)
    .add("bunch", name="batches", frames=10, overlap=2, denoise=0.8, keep=True, format="tif")
    # FocusStack("stack", PyramidStack(), postfix='_py', denoise=0.8)
    .add("fuse", name="pyramid", denoise=0.8, filename="{stack}", suffix="_py")
    # FocusStack("stack", DepthMapStack(), input_path='batches', postfix='_dm', denoise=0.8)
    .add(
        "fuse",
        name="depthmap",
        source="batches",
        method="depth_map",
        denoise=0.8,
        filename="{stack}",
        suffix="_dm",
    )
    .add("layers", name="multilayer", source=["batches", "pyramid", "depthmap"])  # MultiLayer(...)
)

if __name__ == "__main__":
    result = job.run(tell=print)
    print(*result.lines(), sep="\n")
