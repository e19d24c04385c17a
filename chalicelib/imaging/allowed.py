"""Which DICOM elements are kept as attributes, each with the reason. None is in the table of PS3.15's basic
confidentiality profile; a test walks that table."""

ALLOWED = {
    "Modality": "what people ask for first",
    "BodyPartExamined": "what is seen",
    "Laterality": "which side is seen",
    "ImageLaterality": "which side is seen",
    "ViewPosition": "how a radiograph was taken",
    "PatientPosition": "how the body lay in the scanner",
    "ImageType": "original or derived, axial or localizer",
    "SOPClassUID": "what kind of object it is",
    "TransferSyntaxUID": "whether a program can decode it",
    "Manufacturer": "training sets mix or separate the makers",
    "ManufacturerModelName": "as its maker",
    "Rows": "size",
    "Columns": "size",
    "NumberOfFrames": "size",
    "PixelSpacing": "resolution, in millimetres",
    "ImagerPixelSpacing": "resolution of projections, in millimetres",
    "SliceThickness": "resolution, in millimetres",
    "SpacingBetweenSlices": "resolution, in millimetres",
    "PhotometricInterpretation": "grey or colour, and how it is coded",
    "SamplesPerPixel": "grey or colour",
    "BitsAllocated": "depth",
    "BitsStored": "depth",
    "PixelRepresentation": "signed or not",
    "LossyImageCompression": "whether detail was lost",
    "LossyImageCompressionRatio": "how much was lost",
    "KVP": "energy of X-rays",
    "XRayTubeCurrent": "dose and noise",
    "ExposureTime": "dose and blur",
    "Exposure": "dose and noise",
    "ConvolutionKernel": "sharpness of a CT",
    "ReconstructionDiameter": "field of view of a CT",
    "MagneticFieldStrength": "kind of an MR scanner",
    "ScanningSequence": "contrast of an MR",
    "SequenceVariant": "contrast of an MR",
    "MRAcquisitionType": "2D or 3D",
    "RepetitionTime": "contrast of an MR",
    "EchoTime": "contrast of an MR",
    "InversionTime": "contrast of an MR",
    "FlipAngle": "contrast of an MR",
    "EchoTrainLength": "contrast of an MR",
    "DiffusionBValue": "contrast of an MR",
    "FrameTime": "speed of a film, in milliseconds",
    "CineRate": "speed of a film, in frames a second",
    "PresentationIntentType": "for presentation or for processing",
    "ConversionType": "whether it is a photo of a screen",
    "BurnedInAnnotation": "whether the pixels may tell a name",
    "RecognizableVisualFeatures": "whether the pixels may show a face",
}

IDENTIFIERS = {
    "StudyInstanceUID": "one study's images can be found together",
    "SeriesInstanceUID": "one series' images can be found together",
    "SOPInstanceUID": "the same image uploaded twice can be found",
}
"""Kept as keyed hashes only: who does not have the key can look nobody up."""

DATE = "StudyDate"

NESTED = {
    "PixelSpacing": ("SharedFunctionalGroupsSequence", "PixelMeasuresSequence"),
    "SliceThickness": ("SharedFunctionalGroupsSequence", "PixelMeasuresSequence"),
    "SpacingBetweenSlices": ("SharedFunctionalGroupsSequence", "PixelMeasuresSequence"),
}
"""Where multi-frame objects of the enhanced kind have what others have at the top."""
