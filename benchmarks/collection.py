"""Fills an empty, migrated database with a made-up collection that looks like a grown one: always the same for a seed.

    .venv/bin/python benchmarks/collection.py --dsn postgresql://… --images 1000000

What it holds:

- Images over two years up to END: some days busy, working hours busier, some images in the same millisecond. A tenth is
  not uploaded, most of all among the newest; a hundredth lies in the bin; three in a hundred have no tag. Half have
  metadata (`ward`, `dose`, `urgent`), two thirds attributes: single values, popular ones like `Modality` and rare ones
  like `StudyInstanceUID`, numbers, dates with and without a day, and arrays.
- Tags, about five an image. Most are of a vocabulary of a hundredth of the images (2,000 to 100,000) whose popularity
  follows Zipf's law: the first of POPULAR_TAGS is on a third of the images. Each tagged image has one of MODALITY_TAGS.
- The planted cases are the constants below, each with what holds for it. An image that a planted case chose has tags
  and is not in the bin, so that the numbers are exact.

Nothing is checked by the database while it loads, no trigger runs, and what can be built later is.
"""

import argparse
import io
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, chain, count, islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psycopg2

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import building
from chalicelib.database.tables import EPOCH_MILLISECONDS, ID_SEQUENCE_BITS
from chalicelib.database.tags import fold

END = datetime(2026, 6, 1, tzinfo=UTC)
START = END - timedelta(days=730)

POPULAR_TAGS = ("chest", "abdomen", "head", "routine", "follow-up", "adult", "thorax", "knee")
"""From a third of the images down to one in twenty-five."""

BODY_PARTS = ("hand", "hip", "spine", "skull", "lung", "liver", "heart", "aorta", "pelvis", "ankle", "wrist", "neck")
FINDINGS = ("fracture", "oedema", "screening", "effusion", "implant", "lesion", "normal")
"""Most tags of the vocabulary are one of each and a number: `spine%` matches many, popular and rare."""

MODALITY_TAGS = ("modality:ct", "modality:mr", "modality:cr", "modality:us")
"""38, 32, 20 and 10 in a hundred of the tagged images, which have one each."""

DISJOINT_TAGS = ("site north", "site south")
"""On 12 in a hundred images each, at all times, and never on the same."""

NEARLY_DISJOINT_TAGS = ("contrast", "native")
"""The same, but for NEARLY_DISJOINT_IMAGES that have both."""
NEARLY_DISJOINT_IMAGES = 5

OLD_TAG = "retired protocol"
"""On one in a hundred images, all of them among the oldest twentieth."""

NEW_TAG = "pilot protocol"
"""The same among the newest twentieth."""

MID_TAGS = tuple(f"study group {number}" for number in range(1, 7))
"""On one in a hundred images each."""

_FAMILY_SHARES = {1: 0.01, 10: 0.03, 100: 0.05, 1_000: 0.1, 10_000: 0.1}
"""By the number of tags in the family: how many of the images have one of them."""

RARE_CREATOR = "creator-rare"
RARE_WARD = "isolation"
RARE_IMAGES = 10
"""So many images have RARE_CREATOR; and so many RARE_WARD as `ward` of their metadata."""

CREATORS = tuple(f"creator-{number:02}" for number in range(1, 51))
WARDS = tuple(f"ward {number:02}" for number in range(1, 21))
"""The first of either is on most images."""

MODALITIES = ("CT", "MR", "CR", "US", "SEG")
"""Values of the attribute Modality; the last is on one in a thousand."""

BODY_PARTS_EXAMINED = ("CHEST", "ABDOMEN", "HEAD", "KNEE", "PELVIS")
RARE_BODY_PART = "CLAVICLE"
"""On one in ten thousand of the images with attributes."""

MANUFACTURERS = ("Northern", "Acme", "Southern")
DISJOINT_MANUFACTURER = MANUFACTURERS[1]
"""Of half of the images with attributes, but of none with the first of DISJOINT_TAGS."""

FIRST_STUDY_DAY = date(2015, 1, 1)
STUDY_DAYS = 3650
"""A tenth of the study dates lack the day or the month."""

IMAGES_A_STUDY = 12
"""On average."""

SPELLINGS = {
    "cafe\u0301": "caf\u00e9",
    "\u212bngstro\u0308m": "\u00c5ngstr\u00f6m",
    "\u1112\u1161\u11ab": "\ud55c",
}
"""Names as they may be typed, decomposed, and as they are stored."""

LONGEST_TAGS = ("x" * 160, "\N{X-RAY}" * 160, "caf\u00e9 " * 31 + "finis")

ODD_TAGS = (
    *SPELLINGS.values(),
    *LONGEST_TAGS,
    *(
        "ct",
        "CT",
        "Ct",
        "Stra\u00dfe",
        "STRASSE",
        "strasse",
        "\u0130stanbul",
        "istanbul",
        "\u03a3\u03a3",
        "\u03c3\u03c2",
    ),
    *("%", "_", "\\", "100%", "100 %", "50%_off", "under_score", "underXscore", "a\\b", "a\\%b", "a%b", "C:\\dir\\"),
    *("it's", "'quoted'", '"double"', "`tick`", "'; DROP TABLE images; --", "$$", "{0}", "%s", "%(name)s", ":name"),
    *("a&b=c", "plus+sign", "a/b", "what?", "#hash", "comma, semicolon;", "NULL", "null", "true", "0", "-1"),
    *("\N{X-RAY}", "\N{X-RAY} hand", "\U0001f469\U0001f3fd\u200d\u2695\ufe0f", "\u65e5\u672c\u8a9e", "na\u00efve"),
)
"""One in twenty images has one of these."""


def rare_sizes(images: int) -> list[int]:
    """No more than a twentieth of the images."""
    return [size for size in (10, 100, 1_000) if size <= images // 20]


def rare_tags(size: int) -> list[str]:
    """Each on exactly so many images, which is one of `rare_sizes`; two of them have about half of theirs in common."""
    return [f"rare {size} {number}" for number in range(1, 6)]


def family_sizes(images: int) -> list[int]:
    """No more than a hundredth of the images."""
    return [size for size in _FAMILY_SHARES if size <= images // 100]


def prefix_pattern(size: int) -> str:
    """Matches exactly so many tags, which is one of `family_sizes`."""
    return f"family-{size}-%"


def infix_pattern(size: int) -> str:
    """Matches the same tags."""
    return f"%-in{size}-%"


TABLES = ("images", "tags", "image_tags", "binned_image_tags")


def fill(dsn: str, images: int = 1_000_000, seed: int = 1) -> None:
    """A superuser must do it, in a database that holds no image and no tag yet. From 1,000 images on."""
    load(dsn, images, seed)
    building.put_back(dsn, TABLES)
    vacuum(dsn)


def load(dsn: str, images: int, seed: int = 1) -> None:
    """As `fill`, but leaves most indexes of TABLES to be built."""
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL synchronous_commit = off")
        _empty(cursor)
        building.take_off(cursor, TABLES)
        _load(cursor, _Content(images, Random(seed)))


def vacuum(dsn: str) -> None:
    with closing(psycopg2.connect(dsn, options="-c statement_timeout=0")) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")


def _empty(cursor: Any) -> None:
    """Emptied in this very transaction, a table takes rows as if they had been vacuumed already (FREEZE)."""
    cursor.execute("SELECT EXISTS (SELECT FROM images) OR EXISTS (SELECT FROM tags)")
    if cursor.fetchone() != (False,):
        raise ValueError("The database holds images or tags already.")
    cursor.execute("TRUNCATE images, tags, tag_count_changes, packed_blocks, packed_tags, changed_images CASCADE")


class _Batch(NamedTuple):
    images: list[str]
    links: list[tuple[int, int]]
    binned_links: list[tuple[int, int]]
    untagged: list[int]


def _load(cursor: Any, content: "_Content") -> None:
    """The database takes one batch while the next is made up."""
    counts: Counter[int] = Counter()
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(lambda: None)
        for batch in content.batches():
            counts.update(tag for _, tag in batch.links)
            loading.result()
            loading = loader.submit(_copy_batch, cursor, batch)
        loading.result()
    tags = (f"{tag}\t{_text(name)}\t{_text(fold(name))}\t{counts[tag]}\n" for name, tag in content.tags.items())
    _copy(cursor, "tags (id, name, folded, image_count)", tags)
    cursor.execute("SELECT setval(pg_get_serial_sequence('tags', 'id'), max(id)) FROM tags")


def _copy_batch(cursor: Any, batch: _Batch) -> None:
    _copy(cursor, _IMAGES, batch.images)
    _copy(cursor, "image_tags", (f"{image}\t{tag}\n" for image, tag in batch.links))
    _copy(cursor, "binned_image_tags", (f"{image}\t{tag}\n" for image, tag in batch.binned_links))
    _copy(cursor, "untagged_images", (f"{image}\n" for image in batch.untagged))


def _copy(cursor: Any, table: str, lines: Iterable[str]) -> None:
    cursor.copy_expert(f"COPY {table} FROM STDIN (FREEZE)", io.StringIO("".join(lines)))


def _text(value: str) -> str:
    """As COPY wants it."""
    return value.replace("\\", "\\\\")


_IMAGES = (
    "images (id, created_by, status, filename, content_type, size, checksum_sha256, object_key, sequencer,"
    " uploaded_at, deleted_at, rejection, metadata, attributes, inspected_at)"
)
_BATCH = 20_000


class _Die:
    """Shows one of its sides; weights that sum up to less than one leave the rest for a blank side."""

    def __init__(self, sides: Iterable[Any], weights: Iterable[float], blank: Any = None) -> None:
        self._sides = [*sides, blank]
        self._cumulated = [*accumulate(weights), 1.0]

    def throw(self, random: Random, times: int) -> list[Any]:
        return random.choices(self._sides, cum_weights=self._cumulated, k=times)


class _Content:
    def __init__(self, images: int, random: Random) -> None:
        self._images = images
        self._random = random
        self.tags = {name: number for number, name in enumerate(_names(images), 1)}
        self._dice = list(self._tag_dice())
        self._planted = self._plant()
        self._rare_creators = set(random.sample(range(images), RARE_IMAGES))
        self._rare_wards = set(random.sample(range(images), RARE_IMAGES))
        for position in self._rare_creators | self._rare_wards:
            self._planted.setdefault(position, [])

    def batches(self) -> Iterator[_Batch]:
        ids = enumerate(_image_ids(self._images, self._random))
        while chosen := list(islice(ids, _BATCH)):
            yield self._batch(chosen)

    def _batch(self, chosen: Sequence[tuple[int, int]]) -> _Batch:
        batch = _Batch([], [], [], [])
        thrown = zip(*(die.throw(self._random, len(chosen)) for die in self._dice), strict=True)
        facts = zip(*(die.throw(self._random, len(chosen)) for die in _FACTS), strict=True)
        for (position, image), tags, (chance, *about) in zip(chosen, thrown, facts, strict=True):
            planted = self._planted.get(position)
            fate = chance if planted is None else "tagged"
            is_northern = self.tags[DISJOINT_TAGS[0]] in tags
            batch.images.append(self._image(position, image, fate, [is_northern, *about]))
            if fate == "untagged":
                batch.untagged.append(image)
            elif fate != "binned untagged":
                links = batch.links if fate == "tagged" else batch.binned_links
                links.extend((image, tag) for tag in sorted({*tags, *(planted or ())} - {None}))
        return batch

    def _image(self, position: int, image: int, fate: str, about: Sequence[Any]) -> str:
        is_northern, creator, status, (suffix, content_type), delay, ward, dose, urgent, modality, *seen = about
        if position > self._images * 0.9 and self._random.random() < 0.4:
            status = "pending"
        created = datetime.fromtimestamp(((image >> ID_SEQUENCE_BITS) + EPOCH_MILLISECONDS) / 1000, UTC)
        noise = f"{self._random.getrandbits(256):064x}"
        is_uploaded = status in {"present", "rejected"}
        if position in self._rare_wards:
            ward = RARE_WARD
        columns = (
            image,
            RARE_CREATOR if position in self._rare_creators else creator,
            status,
            f"image-{position:08}.{suffix}",
            content_type,
            500_000 + int(noise[:6], 16),
            noise if is_uploaded else _NULL,
            f"images/{created.date()}/{noise[:32]}",
            noise[-16:] if is_uploaded else _NULL,
            created + delay if is_uploaded else _NULL,
            max(created, END - 1000 * delay) if fate.startswith("binned") else _NULL,
            "not a DICOM file" if status == "rejected" else _NULL,
            f'{{"ward": "{ward}", "dose": {dose}, "urgent": {urgent}}}' if ward else "{}",
            _attributes(position // (IMAGES_A_STUDY * 3 // 2), modality, is_northern, *seen) if modality else "{}",
            created + delay if is_uploaded else _NULL,
        )
        return "\t".join(map(str, columns)) + "\n"

    def _tag_dice(self) -> Iterator[_Die]:
        """An image has what each of them shows."""
        words = _vocabulary(self._images)
        yield from [self._die(islice(self.tags, words), _zipf(words, 1.05, 0.56))] * 6
        yield self._die(MODALITY_TAGS, [0.38, 0.32, 0.2, 0.1])
        yield self._die(DISJOINT_TAGS, [0.12, 0.12])
        yield self._die(NEARLY_DISJOINT_TAGS, [0.12, 0.12])
        for tag in MID_TAGS:
            yield self._die([tag], [0.01])
        for size in family_sizes(self._images):
            yield self._die(_family(size), _zipf(size, 0.5, _FAMILY_SHARES[size]))
        yield self._die(ODD_TAGS, _zipf(len(ODD_TAGS), 0, 0.05))

    def _die(self, names: Iterable[str], weights: Iterable[float]) -> _Die:
        return _Die([self.tags[name] for name in names], weights)

    def _plant(self) -> dict[int, list[int]]:
        """By the position of an image, oldest first: tags that it has in any case."""
        planted = defaultdict(list)
        for name, positions in chain(self._planted_at_times(), self._planted_rare()):
            for position in positions:
                planted[position].append(self.tags[name])
        return dict(planted)

    def _planted_at_times(self) -> Iterator[tuple[str, Sequence[int]]]:
        twentieth = range(self._images // 20)
        yield OLD_TAG, self._random.sample(twentieth, self._images // 100)
        yield NEW_TAG, [self._images - 1 - each for each in self._random.sample(twentieth, self._images // 100)]
        spread = range(self._images // 10, self._images, self._images // NEARLY_DISJOINT_IMAGES)
        for tag in NEARLY_DISJOINT_TAGS:
            yield tag, spread

    def _planted_rare(self) -> Iterator[tuple[str, Sequence[int]]]:
        for size in rare_sizes(self._images):
            common = self._random.sample(range(self._images), 2 * size)
            for tag in rare_tags(size):
                yield tag, self._random.sample(common, size)


_NULL = "\\N"


def _zipf(sides: int, exponent: float, share: float) -> list[float]:
    """Weights that sum up to the share."""
    weights = [rank**-exponent for rank in range(1, sides + 1)]
    scale = share / sum(weights)
    return [weight * scale for weight in weights]


_FACTS = (
    _Die(["untagged", "binned", "binned untagged"], [0.03, 0.0097, 0.0003], blank="tagged"),
    _Die(CREATORS, _zipf(len(CREATORS), 1, 1)),
    _Die(["pending", "missing", "rejected"], [0.055, 0.003, 0.002], blank="present"),
    _Die([("png", "image/png"), ("nii.gz", "application/gzip")], [0.05, 0.02], blank=("dcm", "application/dicom")),
    _Die([timedelta(seconds=seconds) for seconds in range(1, 1800)], _zipf(1799, 1, 1)),
    _Die(WARDS, _zipf(len(WARDS), 1, 0.5)),
    _Die([number / 10 for number in range(1, 1000)], _zipf(999, 0.5, 1)),
    _Die(["true"], [0.1], blank="false"),
    _Die(MODALITIES, [0.3, 0.2, 0.12, 0.05, 0.001]),
    _Die([512, 256, 1024, 2048, 4096], [0.6, 0.2, 0.1, 0.06, 0.04]),
    _Die([*BODY_PARTS_EXAMINED, RARE_BODY_PART], [*_zipf(len(BODY_PARTS_EXAMINED), 1, 0.9), 0.0001]),
    _Die(["ORIGINAL", "DERIVED"], [0.7, 0.3]),
    _Die(range(STUDY_DAYS), _zipf(STUDY_DAYS, 0.2, 1)),
    _Die([4, 7], [0.05, 0.05], blank=10),
    _Die([0.5, 0.75, 1, 1.25], [0.4, 0.3, 0.2, 0.1]),
)
"""What an image is apart from its tags; each throw is independent of the others."""


def _attributes(study: int, modality: str, is_northern: bool, rows: int, *more: Any) -> str:
    part, image_type, day, length, spacing = more
    attributes: dict[str, Any] = {
        "Modality": modality,
        "Manufacturer": MANUFACTURERS[0 if is_northern else 1 + study % 2],
        "Rows": rows,
        "ImageType": [image_type, "PRIMARY"],
        "StudyDate": str(FIRST_STUDY_DAY + timedelta(day))[:length],
        "StudyInstanceUID": f"{study:032x}",
        "PixelSpacing": [spacing, spacing],
        "LossyImageCompression": rows > 1024,
    }
    return json.dumps(attributes | ({"BodyPartExamined": part} if part else {}))


def _names(images: int) -> list[str]:
    """The vocabulary first, the most popular foremost."""
    parts, findings = len(BODY_PARTS), len(FINDINGS)
    invented = (f"{BODY_PARTS[number % parts]} {FINDINGS[number % findings]} {number}" for number in count(1))
    names = [*POPULAR_TAGS, *islice(invented, _vocabulary(images) - len(POPULAR_TAGS))]
    names += [*MODALITY_TAGS, *DISJOINT_TAGS, *NEARLY_DISJOINT_TAGS, OLD_TAG, NEW_TAG, *MID_TAGS, *ODD_TAGS]
    names += chain.from_iterable(map(rare_tags, rare_sizes(images)))
    names += chain.from_iterable(map(_family, family_sizes(images)))
    return names


def _family(size: int) -> list[str]:
    return [f"family-{size}-{number:05}-in{size}-use" for number in range(size)]


def _vocabulary(images: int) -> int:
    return min(100_000, max(2_000, images // 100))


def _image_ids(images: int, random: Random) -> Iterator[int]:
    """Ascending."""
    numbers = count()
    begin = int(START.timestamp() * 1000) - EPOCH_MILLISECONDS
    for day, expected in enumerate(_images_by_day(images, random)):
        moments = sorted(int(random.triangular(0, 86_400_000, 46_000_000)) for _ in range(expected))
        for place in range(1, expected):
            if random.random() < 0.03:
                moments[place] = moments[place - 1]
        low_bits = 2**ID_SEQUENCE_BITS
        yield from sorted(
            (begin + day * 86_400_000 + moment) * low_bits + next(numbers) % low_bits for moment in moments
        )


def _images_by_day(images: int, random: Random) -> list[int]:
    days = (END - START).days
    weekend = [(START + timedelta(day)).weekday() > 4 for day in range(days)]
    weights = [random.lognormvariate(0, 0.7) * (0.25 if free else 1) for free in weekend]
    until = [round(images * share) for share in accumulate(weight / sum(weights) for weight in weights)]
    return [later - earlier for earlier, later in zip([0, *until], until, strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.perf_counter()
    fill(options.dsn, options.images, options.seed)
    print(f"{options.images:,} images in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
