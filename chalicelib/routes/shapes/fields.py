"""The kinds of fields that the wire shapes are made of: what is taken, and what the OpenAPI document says of it."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StringConstraints, WithJsonSchema

from chalicelib.routes.shapes import text
from chalicelib.services.limits import MAX_TAG_LENGTH, tag_name


def says(description: str, example: Any = None, **schema: Any) -> Any:
    """What the OpenAPI document says of a field: beside its limits, what only a validator of ours knows."""
    examples = None if example is None else [example]
    return Field(description=description, examples=examples, json_schema_extra=schema or None)


def when(what: str, example: int) -> Any:
    return says(f"Seconds since the Unix epoch, UTC: {what}.", example, format="int64")


TagName = Annotated[
    str,
    AfterValidator(tag_name),
    says(
        "The name of a tag: 1 to 160 characters after trimming and Unicode normalisation (NFC), without `|`, control"
        " characters, bidirectional embeddings, overrides and isolates, U+FFFD and noncharacters; case-sensitive.",
        "chest-xray",
        minLength=1,
        maxLength=MAX_TAG_LENGTH,
        pattern=text.TAG_NAME_PATTERN,
    ),
]
Pattern = Annotated[
    str,
    AfterValidator(text.pattern),
    says(
        "A pattern for tag names: ignores case; `%` stands for any characters, everything else (`_` too) for itself,"
        r" `\%` for a percent sign, so that no pattern can have any characters after a backslash. Without `%` it is the"
        " whole name, ignoring case.",
        "chest%",
        minLength=1,
        maxLength=MAX_TAG_LENGTH,
        pattern=text.CLEAN_PATTERN,
    ),
]
ListedPattern = Annotated[
    Pattern,
    # Redoc stumbles over a percent sign in the example of a list.
    says("A pattern as that of `GET /tags`, without `|`.", "Chest-XRay", pattern=text.LISTED_PATTERN),
]
Filename = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(text.filename),
    says(
        r"The original filename: 1 to 255 characters, without control characters, `/`, `\`, bidirectional embeddings,"
        " overrides and isolates, U+FFFD and noncharacters; not `.` or `..`. Downloads are saved under it.",
        "chest.dcm",
        pattern=text.FILENAME_PATTERN,
    ),
]
ContentType = Annotated[
    str,
    StringConstraints(
        max_length=255,
        pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+)*$",
    ),
    says("The media type. By default it follows from the filename.", "application/dicom"),
]
Sha256 = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True),
    says(
        "The SHA-256 of the file in hexadecimal; the storage then refuses a file that has another. A file that comes in"
        " parts, of at most 50 GB then, is read and compared afterwards, and `rejected` if it has another.",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
]
Size = Annotated[
    int,
    Field(ge=1, le=text.MAX_SIZE),
    says("The size of the file in bytes; the storage takes exactly so many.", 35_000_000, format="int64"),
]
MetadataKey = Annotated[
    str, StringConstraints(min_length=1, max_length=text.MAX_METADATA_KEY_LENGTH), AfterValidator(text.without_controls)
]
MetadataEntry = Annotated[
    Any,
    PlainValidator(text.metadata_value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "null"], "pattern": r"^[^\u0000]*$"},
                {"type": "number", "minimum": -text.LARGEST_NUMBER, "maximum": text.LARGEST_NUMBER},
                {"type": "boolean"},
            ]
        }
    ),
]
AttributeEntry = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "number"},
                {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}, "maxItems": 16},
            ]
        }
    ),
]
Metadata = Annotated[
    dict[MetadataKey, MetadataEntry],
    Field(max_length=text.MAX_METADATA_KEYS),
    AfterValidator(text.metadata),
    says(
        "What the client wants to keep with the image: a flat object of at most 50 keys (1 to 128 characters, without"
        " control characters) and 16 KiB as JSON.",
        {"ward": "B2", "urgent": True},
        **{"x-propertyNames": {"pattern": text.METADATA_KEY_PATTERN}},
    ),
]
MetadataValue = Annotated[
    str,
    StringConstraints(max_length=text.MAX_SEARCHED_LENGTH),
    AfterValidator(text.storable),
    says("", pattern=r"^[^\u0000]*$"),
]
AttributeKeyword = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9]{1,64}[<>]?$")]
CallerId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(text.without_controls),
    says(
        "The id of a caller: `sub` of a person's token, `client_id` of a machine's.",
        "5f1b7c1e-0d5c-4a53-9f0a-3a8f2f7a9c11",
        pattern=text.CLEAN_PATTERN,
    ),
]
Base64Data = Annotated[
    bytes,
    PlainValidator(text.decoded, json_schema_input_type=str),
    says(
        "The file in base64 (RFC 4648, section 4), without line breaks; not empty.",
        "iVBORw0KGgoAAAANSUhEUg==",
        format="byte",
        minLength=4,
        pattern=text.BASE64_PATTERN,
    ),
]
Number = Annotated[int, BeforeValidator(text.whole_number)]
Timestamp = Annotated[
    Number,
    Field(ge=0, le=text.LAST_TIMESTAMP),
    says("Seconds since the Unix epoch, UTC.", 1_700_000_000, format="int64"),
]
StartTimestamp = Annotated[Timestamp, when("nothing from before this time", 1_700_000_000)]
EndTimestamp = Annotated[Timestamp, when("nothing from after this time", 1_800_000_000)]
Truth = Annotated[bool, BeforeValidator(text.truth)]
Id = Annotated[Number, Field(ge=1, le=2**63 - 1)]
ImageId = Annotated[
    Id, says("The id of an image. Ids grow with the time of creation.", 246_471_733_248_007, format="int64")
]
TagId = Annotated[Id, says("The id of a tag.", 1, format="int64")]
IdempotencyKey = Annotated[
    str,
    says(
        "Makes it safe to send the request again when no answer came: the same key and body get the first answer, for"
        " 24 hours. Take a new one, such as a UUID, for each thing to be done.",
        "8e03978e-40d5-43e8-bc93-6894a57f9324",
        pattern=text.IDEMPOTENCY_KEY_PATTERN,
    ),
]
IfMatch = Annotated[
    str, says("The `ETag` of the record that the change is meant for, or `*`.", '"5d41402abc4b2a76b9719d911017c592"')
]
