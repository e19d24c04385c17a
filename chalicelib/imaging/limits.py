"""What one inspection may take. A file that needs more keeps what was found until then."""

MOST_READ_FOR_ATTRIBUTES = 1_000_000
"""Bytes; a header has a few kilobytes, one with the description of a thousand frames some hundred."""

MOST_READ_FOR_PREVIEW = 300_000_000
"""Bytes; one frame of the largest radiographs has 60 MB uncompressed."""

MOST_FETCHES = 1000
"""Of parts of a file; each takes some 20 ms."""

MOST_WHOLE = 64 * 1024**2
"""Bytes of a file that is read as a whole where it says too little of itself to be read in parts."""

MOST_INFLATED_FOR_ATTRIBUTES = 8 * 1024**2
MOST_INFLATED_FOR_PREVIEW = 64 * 1024**2

MOST_PIXELS = 64_000_000
"""Of one frame, counting colours, but for a photograph's JPEG; the largest radiographs have 30 million."""

MOST_SCANS = 100
"""Of a JPEG; a progressive one has 10 or so, and a decoder passes over the whole picture for each."""

MOST_PARTS = 50_000
"""Segments of a JPEG, chunks of a PNG: one of 300 MB has 37,000 as most programs write it."""

MOST_ELEMENTS = 20_000
"""At the top level of a DICOM header, which has some hundred."""

MEMORY = 1024**3
"""Bytes, beside what Python takes at the start; a frame of the above needs twice its 32 bits a pixel."""

SECONDS = 20
"""Of the clock; the function has 60."""

SECONDS_OF_CPU = 8
"""Of the processor; 30 million pixels in JPEG 2000 take 3, any other frame one or two. Time spent
waiting for a busy processor does not count."""

SECONDS_OF_FETCHING = 30
"""Beside those; a storage that needs more is to be asked again another time."""

PREVIEW_SIDE = 512


class NoPreviewError(Exception):
    """The message is the reason, for a person, and holds nothing of the file's text."""
