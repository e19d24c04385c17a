"""Says why the pixels of a file may show who it is.

The sources are what the standard defines: BurnedInAnnotation and RecognizableVisualFeatures of the General Image module
(PS3.3 C.7.6.1), ConversionType of the SC Equipment module (PS3.3 C.8.6.1), the storage classes of PS3.4 B.5 and the
modalities of PS3.3 C.7.3.1.1.1. A file that says BurnedInAnnotation NO, as de-identified files do (PS3.15 E.3.1), is
believed about its kind of device. A picture that is not DICOM can say nothing of all this, and is always warned of.
"""

from collections.abc import Mapping

from chalicelib.imaging.values import Value

BURNED_IN = "The file says that annotation is burned into its pixels."
RECOGNISABLE = "The file says that its pixels show recognisable features."
CAPTURED = "It was captured from a screen, film or paper, or made by a program, which often shows names."
OFTEN_LABELLED = "Images of this kind often have names burned in."
NOT_DICOM = "It is a picture without a DICOM header, so nothing says whether its pixels show a name."

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_CLASSES = ("7", "3", "6", "77.1", "77.2", "12.77")
"""Secondary capture, ultrasound multi-frame, ultrasound, visible light (endoscopy, microscopy, photographs, eyes,
slides with their labels) and its retired predecessors. Each with all that is below it."""
_MODALITIES = {"BDUS", "DOC", "ES", "GM", "IVUS", "OP", "OT", "SC", "SM", "US", "XC"}
_SCREENS = {"SCREEN SAVE", "DOSE_INFO", "CSA REPORT"}
"""Of ImageType: what scanners store as one of their own series."""


def of_dicom(found: Mapping[str, Value]) -> list[Value]:
    """The warnings for a DICOM file, by its attributes."""
    burned_in = found.get("BurnedInAnnotation")
    rules = {
        BURNED_IN: burned_in == "YES",
        RECOGNISABLE: found.get("RecognizableVisualFeatures") == "YES",
        CAPTURED: "ConversionType" in found,
        OFTEN_LABELLED: burned_in != "NO" and _is_often_labelled(found),
    }
    return [warning for warning, holds in rules.items() if holds]


def _is_often_labelled(found: Mapping[str, Value]) -> bool:
    modalities, types = (_several(found.get(keyword)) for keyword in ("Modality", "ImageType"))
    return bool(_is_in_family(str(found.get("SOPClassUID"))) or _MODALITIES & modalities or _SCREENS & types)


def _is_in_family(sop_class: str) -> bool:
    return any(f"{sop_class}.".startswith(f"{_STORAGE}{family}.") for family in _CLASSES)


def _several(value: Value | None) -> set[object]:
    return set(value) if isinstance(value, list) else {value}
