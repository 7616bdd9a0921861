"""The picture on a mesh, as a file's bytes."""

from __future__ import annotations

import cv2
import numpy as np

from bigstack.errors import RunError

QUALITY = 92


def jpeg(picture: np.ndarray) -> bytes:
    """RGB (y, x, 3), uint8, as JPEG, which every format of meshes may hold."""
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise RunError(f"the picture of {picture.shape} could not be compressed")
    return data.tobytes()
