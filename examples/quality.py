"""How good are the methods on a scene like yours? A rendered one, so that image and depth are known."""

import bigstack
from bigstack.kernels.quality import depth_errors, psnr, ssim

scene = bigstack.synthetic.render_stack(depth="steps", shape=(240, 320), frames=10, noise=(4.0, 0.0))
truth = scene.truth.compute()

print("method    PSNR, dB   SSIM   depth RMSE, frames")
for method in ("average", "select", "pyramid", "depth"):
    fused = bigstack.fuse(scene.stack, method=method).compute()
    image = fused.image.values
    rmse = depth_errors(fused.depth.values, truth.depth.values).rmse if "depth" in fused else float("nan")
    print(f"{method:8} {psnr(image, truth.image.values):9.1f}", end=" ")
    print(f"{ssim(image, truth.image.values):6.3f} {rmse:8.2f}")
