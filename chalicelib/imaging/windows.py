"""Which stored values are black, which are white: PS3.3 C.11.2."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi

Floats = NDArray[np.float32]

NO_WINDOW_PERCENTILES = (0.5, 99.5)
"""What is black and what is white where the file does not say."""


def grey(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    """As a display shows it, 0 black."""
    values = apply_modality_lut(stored, dataset)
    shade = _voi(values, dataset)
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        shade = 1 - shade
    return np.rint(shade * 255).astype(np.uint8)


def linear(values: NDArray[Any], center: float, width: float) -> Floats:
    if width <= 1:
        return (values > center - 0.5).astype(np.float32)
    return _clipped((values - (center - 0.5)) / (width - 1) + 0.5)


def linear_exact(values: NDArray[Any], center: float, width: float) -> Floats:
    return _clipped((values - center) / max(width, 1e-9) + 0.5)


def sigmoid(values: NDArray[Any], center: float, width: float) -> Floats:
    exponent = np.clip(-4 * (values - center) / max(width, 1e-9), -700, 700)
    return (1 / (1 + np.exp(exponent))).astype(np.float32)


def between(values: NDArray[Any], padding: float | None = None) -> Floats:
    """From the least value to the greatest, but for the few at either end and for the padding around the picture."""
    shown = values[np.isfinite(values) & (values != padding)]
    if not shown.size:
        return np.zeros(values.shape, np.float32)
    low, high = np.percentile(shown, NO_WINDOW_PERCENTILES)
    if low == high:
        low, high = shown.min(), shown.max()
    return _clipped((np.nan_to_num(values).astype(np.float64) - low) / (high - low if high > low else 1))


_FUNCTIONS = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}


def _voi(values: NDArray[Any], dataset: Dataset) -> Floats:
    """The first table or window of the file; tables before windows."""
    table = dataset.get("VOILUTSequence")
    if table:
        bits = int(table[0].LUTDescriptor[2])
        return _clipped(apply_voi(np.rint(values).astype(np.int32), dataset) / (2**bits - 1))
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is None or width is None or width <= 0:
        return between(values, _padding(dataset))
    return _FUNCTIONS.get(str(dataset.get("VOILUTFunction") or "LINEAR"), linear)(values, center, width)


def _padding(dataset: Dataset) -> float | None:
    """As `values` has it, behind the rescaling."""
    stored = dataset.get("PixelPaddingValue")
    if stored is None:
        return None
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    return float(stored) if slope is None or intercept is None else float(stored) * float(slope) + float(intercept)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    number = float(value if isinstance(value, int | float | str) else value[0])
    return number if np.isfinite(number) else None


def _clipped(shade: NDArray[Any]) -> Floats:
    clipped: Floats = np.clip(shade, 0, 1).astype(np.float32)
    return clipped
