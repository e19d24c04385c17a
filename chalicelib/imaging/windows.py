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
    told, padding = _voi(values, dataset), _padding(stored, dataset)
    shade = between(values, padding) if told is None else told
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        shade = 1 - shade
    if told is None:
        shade[padding] = 0
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


def between(values: NDArray[Any], padding: NDArray[np.bool_] | None = None) -> Floats:
    """From the least value to the greatest, but for the few at either end and for the padding around the picture."""
    shown = values[np.isfinite(values) if padding is None else np.isfinite(values) & ~padding]
    if not shown.size:
        return np.zeros(values.shape, np.float32)
    low, high = np.percentile(shown, NO_WINDOW_PERCENTILES)
    if low == high:
        low, high = shown.min(), shown.max()
    return _clipped((np.nan_to_num(values).astype(np.float64) - low) / (high - low if high > low else 1))


_FUNCTIONS = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}


def _voi(values: NDArray[Any], dataset: Dataset) -> Floats | None:
    """By the first table or window of the file, if it has any; tables before windows."""
    table = dataset.get("VOILUTSequence")
    if table:
        entries, first, bits = map(int, table[0].LUTDescriptor)
        if first >= 2**15 and _may_be_negative(dataset):
            first -= 2**16
        table[0].add_new("LUTDescriptor", "SL", [entries, first, 16])  # pydicom counts in the bits of an entry
        return _clipped(apply_voi(np.rint(values).astype(np.int32), dataset) / (2**bits - 1))
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is None or width is None or width <= 0:
        return None
    return _FUNCTIONS.get(str(dataset.get("VOILUTFunction") or "LINEAR"), linear)(values, center, width)


def _may_be_negative(dataset: Dataset) -> bool:
    """Then the first value that a table maps is signed, whatever its kind says: C.11.2.1.1."""
    if dataset.get("ModalityLUTSequence"):
        return False
    return dataset.get("PixelRepresentation") == 1 or (_first(dataset.get("RescaleIntercept")) or 0) < 0


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Which pixels are none: of one value, or of a range of values (C.7.5.1.1.2)."""
    one, other = _first(dataset.get("PixelPaddingValue")), _first(dataset.get("PixelPaddingRangeLimit"))
    if one is None:
        return np.zeros(stored.shape, np.bool_)
    low, high = sorted((one, one if other is None else other))
    return (stored >= low) & (stored <= high)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    number = float(value if isinstance(value, int | float | str) else value[0])
    return number if np.isfinite(number) else None


def _clipped(shade: NDArray[Any]) -> Floats:
    clipped: Floats = np.clip(shade, 0, 1).astype(np.float32)
    return clipped
