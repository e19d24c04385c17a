"""What is kept of a camera's name. Make and Model are free text in EXIF, which any program can change: the make is kept
if it is a known maker's, the model if its make is known and it looks like a model."""

import re
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags

from chalicelib.imaging.terms import words
from chalicelib.imaging.values import Value

_MAKERS = words(
    """
    3dhistech acer agfa aperio apple arri asus axis basler blackmagic bosch canon carestream casio contax dell
    dino-lite dji elmo epson ericsson flir fuji fujifilm fujinon ge google gopro hamamatsu hasselblad heidelberg
    hewlett-packard hitachi hologic honor horseman hp htc huawei imaging insta360 jenoptik jvc keyence kodak
    konica kowa kyocera leaf leica lenovo lg lge lumix mamiya medit minolta motorola nidek nikon nokia nothing
    oculus olympus om oneplus oppo optos panasonic pentax phase philips planmeca polaroid realme ricoh roche
    rollei samsung sanyo sharp siemens sigma sinar sony storz topcon toshiba ventana vivo voigtlander xiaomi yi
    zeiss zte eastman om-digital
    """
)
_OF_COMPANIES = words(
    """
    ag aktiengesellschaft camera carl karl co company computer corp corporation digital electric electronics gmbh group
    healthcare inc industries limited llc ltd mobile optical precision research solutions systems tech
    technologies technology
    """
)
_MODEL = re.compile(r"(?=.*[0-9])[A-Za-z0-9 ()+./_-]{1,32}")
"""With a digit, which nearly every model has and hardly any name."""


def attributes(exif: Mapping[int, Any]) -> dict[str, Value]:
    make, model = (str(exif.get(tag, "")).strip(" \0") for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    if not _is_makers(make):
        return {}
    known: dict[str, Value] = {"Manufacturer": make}
    return known | {"ManufacturerModelName": model} if _MODEL.fullmatch(model) else known


def _is_makers(make: str) -> bool:
    named = set(re.split("[ ,.]+", make.lower())) - {""}
    return bool(named & _MAKERS) and named <= _MAKERS | _OF_COMPANIES
