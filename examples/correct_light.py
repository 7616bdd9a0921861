"""Flicker, dark corners and hot pixels: measured as small values, corrected as the frames are read."""

import bigstack

dull = bigstack.synthetic.render_stack(
    texture="fractal", shape=(240, 320), frames=6, flicker=0.1, vignetting=0.4, hot_pixels=0.0005
)
stack = dull.stack

hot = bigstack.estimate_hot_pixels(stack)
stack = bigstack.correct_hot_pixels(stack, hot)
balance = bigstack.estimate_balance(stack, space="lumi")
stack = bigstack.correct_balance(stack, balance)
vignetting = bigstack.estimate_vignetting(stack, model="cos4")
stack = bigstack.correct_vignetting(stack, vignetting)  # lazy still: nothing was copied

corner = (1 + vignetting.parameters[1] * (120**2 + 160**2)) ** -2
print(f"{hot.count} hot pixels; corners have {corner:.0%} of the light")
before, after = (s.mean(("y", "x", "channel")).values for s in (dull.stack, stack))
print("brightness of the frames before:", before.round(1))
print("and after:                      ", after.round(1))
