"""A picture small enough for a list."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.imaging.limits import PREVIEW_SIDE

QUALITY = 85


def encoded(pixels: NDArray[np.uint8], aspect: float = 1.0) -> bytes:
    """WebP with nothing in it but the pixels; never larger than the picture is. `aspect`: of a pixel, height by
    width."""
    image = Image.fromarray(pixels)
    size = fitting(image.width, image.height, aspect)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    output = io.BytesIO()
    image.save(output, "WEBP", quality=QUALITY, method=4)
    return output.getvalue()


def fitting(width: int, height: int, aspect: float) -> tuple[int, int]:
    true_height = height * aspect
    scale = min(1.0, PREVIEW_SIDE / max(width, true_height))
    return max(1, round(width * scale)), max(1, round(true_height * scale))
