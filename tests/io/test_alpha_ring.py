"""A frame opened alone and in a stack that has alpha are two things to the ring of decoded frames."""

import cv2
import numpy as np

from bigstack import open_stack


def test_a_frame_alone_then_among_frames_with_alpha(tmp_path):
    for z, channels in enumerate((3, 3, 4)):
        frame = np.random.default_rng(z).integers(0, 256, (40, 50, channels), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"f{z}.png"), frame)
    alone = open_stack(tmp_path / "f0.png")[0].values
    np.testing.assert_array_equal(open_stack(tmp_path)[0].values, alone)
    np.testing.assert_array_equal(open_stack(tmp_path / "f0.png")[0].values, alone)
