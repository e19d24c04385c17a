"""How long does a search take in the database, how much less than the ORM's natural way, and how near to the floor?

    .venv/bin/python benchmarks/search.py --images 1000000 --queries 40 --plot search.svg

Without --dsn it starts a PostgreSQL of its own and fills it (see collection.py); with --dsn it uses that database if it
holds that many images already, and fills it if it holds nothing.

Each class of searches is asked with ever other members of the class: other tags, other months. Per search

- ours is `chalicelib.database.search.find` for a page of a hundred;
- naive is what an ORM's relationship suggests, EXISTS for every condition, with the tags by `selectinload`;
- floor is what no form can avoid: the names by their unique index, then the same rows with their tags, by their ids.

Every search is run once by ours before it is measured; then the three take turns, in random order, and must agree.
A naive form that has used up its seconds for a class is not asked again, hence its own number of runs (n), and a
statement of it is ended by a time-out. Behind its form stands which aims a class missed. The second table is about the
total: a page of one row with its count.
"""

import argparse
import importlib
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg2
from sqlalchemy import ColumnElement, Engine, cast, create_engine, exists, not_, or_, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, selectinload

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import collection, filling, server
from benchmarks.searches import (
    FIRST_PAGE,
    LIMIT,
    MOST_FLOORS,
    NEAR_THE_FLOOR,
    Maker,
    Pick,
    Search,
    classes,
    most_milliseconds,
)
from chalicelib.database import migrations, ranges
from chalicelib.database.engine import reading
from chalicelib.database.pages import TOTAL_LIMIT, Window
from chalicelib.database.search import Criteria, explain, find
from chalicelib.database.search.pairs import meanings
from chalicelib.database.tables import Image, Status, Tag, first_id_at, image_tags
from chalicelib.database.tags import like
from chalicelib.errors import TooCostly


def ours(search: Search) -> list[int]:
    with reading() as session:
        return [row.id for row in find(session, search.criteria, search.window).rows]


def form_of(search: Search) -> str:
    with reading() as session:
        return str(getattr(explain(session, search.criteria, search.window), "form", "none: impossible"))


def total_of(search: Search) -> int:
    """Negative: it was not counted to the end in time, and there are at least so many."""
    with reading() as session:
        page = find(session, search.criteria, Window(1, total=True))
    total = page.total or 0
    return total if page.total_is_exact or total == TOTAL_LIMIT else -total


class Naive:
    def __init__(self, dsn: str, timeout: float) -> None:
        options = f"-c statement_timeout={timeout * 1000:.0f} -c jit=off"
        self._engine: Engine = create_engine(_for_sqlalchemy(dsn), connect_args={"options": options})

    def __call__(self, search: Search) -> list[int]:
        """Raises OperationalError after the time-out."""
        images = select(Image).where(*_conditions(search.criteria)).options(selectinload(Image.tags))
        if search.window.after is not None:
            images = images.where(Image.id < search.window.after)
        page = images.order_by(Image.id.desc()).limit(search.window.limit + 1).offset(search.window.offset)
        with Session(self._engine) as session:
            return [image.id for image in session.scalars(page)][: search.window.limit]


def _conditions(criteria: Criteria) -> Iterator[ColumnElement[bool]]:
    yield Image.deleted_at.is_(None)
    yield from (_tagged(Tag.name == name) for name in criteria.exact_tags)
    yield from (_tagged(Tag.folded.like(like(pattern))) for pattern in criteria.match_tags)
    if criteria.any_tags:
        yield _tagged(Tag.name.in_(criteria.any_tags))
    if criteria.exclude_tags:
        yield not_(_tagged(Tag.name.in_(criteria.exclude_tags)))
    if criteria.untagged:
        yield not_(_tagged())
    if criteria.start_timestamp is not None:
        yield Image.id >= first_id_at(criteria.start_timestamp)
    if criteria.end_timestamp is not None:
        yield Image.id < first_id_at(criteria.end_timestamp + 1)
    if criteria.uploaded_only:
        yield Image.status == Status.PRESENT
    if criteria.created_by is not None:
        yield Image.created_by == criteria.created_by
    yield from (Image.metadata_.contains({key: value}) for key, value in criteria.metadata)
    for key, value in criteria.attributes:
        meant = meanings(value)
        yield or_(*(Image.attributes.contains({key: each}) for one in meant for each in (one, [one])))
    yield from (Image.attributes.path_exists(cast(ranges.path(each), JSONPATH)) for each in criteria.attribute_ranges)


def _tagged(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    links = select(image_tags.c.image_id).join(Tag, Tag.id == image_tags.c.tag_id)
    return exists(links.where(image_tags.c.image_id == Image.id, Tag.deleted_at.is_(None), *which))


class Floor:
    def __init__(self, dsn: str) -> None:
        self._connection = psycopg2.connect(dsn, options="-c jit=off")
        self._connection.autocommit = True

    def __call__(self, search: Search, ids: Sequence[int]) -> None:
        criteria = search.criteria
        names = [*criteria.exact_tags, *criteria.any_tags, *criteria.exclude_tags]
        with self._connection.cursor() as cursor:
            if names or criteria.match_tags:
                cursor.execute(_NAMES, (names or [collection.POPULAR_TAGS[0]],))
                cursor.fetchall()
            cursor.execute(_ROWS.format(ids=",".join(map(str, ids)) or "0"))
            cursor.fetchall()


_NAMES = "SELECT id, image_count FROM tags WHERE name = ANY(%s) AND deleted_at IS NULL"

_ROWS = """
    SELECT id, status, filename, content_type, size, checksum_sha256, created_by, uploaded_at, object_key, rejection,
        metadata, attributes, (
            SELECT array_agg(t.name ORDER BY t.name) FROM image_tags l JOIN tags t ON t.id = l.tag_id
            WHERE l.image_id = i.id AND t.deleted_at IS NULL
        )
    FROM images i WHERE id IN ({ids}) ORDER BY id DESC"""


@dataclass
class Times:
    """In milliseconds; infinite: ended by a time-out."""

    all: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        return sorted(self.all)[math.ceil(share * len(self.all)) - 1] if self.all else math.nan

    def summary(self) -> list[float]:
        return [self.quantile(share) for share in (0.5, 0.95, 1)]

    def measure(self, run: Callable[[], object]) -> None:
        begun = time.perf_counter()
        try:
            run()
        except (OperationalError, TooCostly):
            self.all.append(math.inf)
        else:
            self.all.append((time.perf_counter() - begun) * 1000)


@dataclass
class Result:
    """Of one class."""

    ours: Times = field(default_factory=Times)
    naive: Times = field(default_factory=Times)
    floor: Times = field(default_factory=Times)
    count: Times = field(default_factory=Times)
    forms: Counter[str] = field(default_factory=Counter)
    totals: list[int] = field(default_factory=list)
    differing: list[Search] = field(default_factory=list)
    """Searches that ours and naive answered differently."""


class Benchmark:
    def __init__(self, dsn: str, options: argparse.Namespace) -> None:
        self._floor = Floor(dsn)
        self._naive = Naive(dsn, options.naive_timeout)
        self._naive_milliseconds = options.naive_seconds * 1000
        self._queries: int = options.queries
        self._random = Random(options.seed)
        self._pick = Pick(self._random, options.images, _oldest_and_newest(dsn))

    def run(self, make: Maker) -> Result:
        """The first search is to warm up, and counts only when the naive form will not be asked again."""
        result = Result()
        self._compare(make(self._pick), result)
        if sum(result.naive.all) < self._naive_milliseconds:
            result = Result()
        for _ in range(self._queries):
            self._compare(make(self._pick), result)
        return result

    def _compare(self, search: Search, result: Result) -> None:
        answers: dict[str, list[int]] = {}
        Times().measure(lambda: answers.update(ours=ours(search)))
        Times().measure(lambda: result.forms.update([form_of(search)]))
        turns: list[Callable[[], None]] = [
            lambda: result.ours.measure(lambda: ours(search)),
            lambda: result.floor.measure(lambda: self._floor(search, answers.get("ours", ()))),
        ]
        if sum(result.naive.all) < self._naive_milliseconds:
            turns.append(lambda: result.naive.measure(lambda: answers.update(naive=self._naive(search))))
        self._random.shuffle(turns)
        for turn in turns:
            turn()
        if len(answers) == 2 and answers["ours"] != answers["naive"]:
            result.differing.append(search)
        if search.window == FIRST_PAGE:
            result.count.measure(lambda: result.totals.append(total_of(search)))


def _oldest_and_newest(dsn: str) -> tuple[int, int]:
    oldest, newest = _ask(dsn, "SELECT min(id), max(id) FROM images")
    return oldest, newest


def _ask(dsn: str, question: str) -> tuple[Any, ...]:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        row: tuple[Any, ...] = cursor.fetchone()
        return row


def main() -> None:
    options = _options()
    with server.named_or_own(options.dsn, quick_to_fill=True) as dsn:
        _prepare(dsn, options.images)
        results = _results(Benchmark(dsn, options), options)
    _print_pages(results, options)
    _print_counts(results)
    if options.json:
        options.json.write_text(json.dumps({name: _record(result) for name, result in results.items()}))
    if options.plot:
        _plot(results, options)
    if differing := [search for result in results.values() for search in result.differing]:
        sys.exit("\n".join(["Ours and naive answer differently:", *map(str, differing)]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--dsn", help="of a database, as superuser; made when missing: a server of its own")
    parser.add_argument("--queries", type=int, default=40, help="per class")
    parser.add_argument("--only", default="", help="only classes whose name holds this")
    parser.add_argument("--naive-timeout", type=float, default=20, help="seconds for one statement")
    parser.add_argument("--naive-seconds", type=float, default=4, help="per class, after which it is not asked again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write every time that was measured")
    parser.add_argument("--plot", type=Path, help="a file, .svg or .png; wants matplotlib")
    return parser.parse_args()


def _prepare(dsn: str, images: int) -> None:
    """Also sets up the product's own engine, which reads the environment at its first use."""
    os.environ |= {"DATABASE_URL": _for_sqlalchemy(dsn), "USER_POOL_ARN": "none"}
    os.environ |= {"IMAGE_BUCKET": "none", "ACCESS_LOG_TABLE": "none"}
    if _ask(dsn, "SELECT to_regclass('images')") == (None,):
        migrations.upgrade()
    (held,) = _ask(dsn, "SELECT count(*) FROM images")
    if held not in (0, images):
        sys.exit(f"The database holds {held:,} images, not {images:,}; name an empty one, or none.")
    filling.complete(dsn, images, empty=held == 0)


def _for_sqlalchemy(dsn: str) -> str:
    return "postgresql+psycopg2://" + dsn.partition("://")[2]


def _results(benchmark: Benchmark, options: argparse.Namespace) -> dict[str, Result]:
    results = {}
    for name, make in classes(options.images).items():
        if options.only in name:
            print(name, file=sys.stderr)
            results[name] = benchmark.run(make)
    return results


def _print_pages(results: Mapping[str, Result], options: argparse.Namespace) -> None:
    print(f"\nA page of {LIMIT} of {options.images:,} images, in ms; {options.queries} searches per class")
    print(f"{'':36}{'ours':>24}{'naive':>30}{'floor':>24}{'naive/':>9}{'ours/':>8}")
    three = f"{'p50':>8}{'p95':>8}{'worst':>8}"
    print(f"{'':36}{three}{three}{'n':>6}{three}{'ours':>9}{'floor':>8}  form")
    for name, result in results.items():
        p50, floor = result.ours.quantile(0.5), result.floor.quantile(0.5)
        print(
            f"{name:36}{_three(result.ours)}{_three(result.naive, options.naive_timeout)}{len(result.naive.all):6}"
            f"{_three(result.floor)}{result.naive.quantile(0.5) / p50:9,.1f}{p50 / floor:8.1f}"
            f"  {_most_common(result.forms)}{_missed(name, result)}"
        )


def _missed(name: str, result: Result) -> str:
    """Which aims were."""
    ratio, p95 = result.ours.quantile(0.5) / result.floor.quantile(0.5), result.ours.quantile(0.95)
    far = f"; more than {MOST_FLOORS} floors" if name in NEAR_THE_FLOOR and ratio > MOST_FLOORS else ""
    return far + (f"; p95 above {most_milliseconds(name)} ms" if p95 > most_milliseconds(name) else "")


def _print_counts(results: Mapping[str, Result]) -> None:
    print("\nA page of one with its total, in ms")
    print(f"{'':36}{'p50':>8}{'p95':>8}{'worst':>8}  total")
    for name, result in results.items():
        if result.totals:
            print(f"{name:36}{_three(result.count)}  {_totals(result.totals)}")


def _most_common(forms: Counter[str]) -> str:
    return next((form for form, _ in forms.most_common(1)), "")


def _totals(totals: Sequence[int]) -> str:
    least, most = (
        f"{total:,}{'+' if total == TOTAL_LIMIT else ''}" for total in (min(map(abs, totals)), max(map(abs, totals)))
    )
    out_of_time = sum(total < 0 for total in totals)
    return (least if least == most else f"{least} to {most}") + (f"; {out_of_time} out of time" if out_of_time else "")


def _record(result: Result) -> dict[str, Any]:
    """Every time in milliseconds; null: ended by a time-out."""
    times = {"ours": result.ours, "naive": result.naive, "floor": result.floor, "count": result.count}
    return {
        **{kind: [None if math.isinf(each) else round(each, 3) for each in taken.all] for kind, taken in times.items()},
        "forms": result.forms,
        "totals": result.totals,
    }


def _three(times: Times, timeout: float | None = None) -> str:
    return "".join(f"{_number(value, timeout):>8}" for value in times.summary())


def _number(value: float, timeout: float | None) -> str:
    if math.isinf(value):
        return f"> {timeout:.0f} s" if timeout else "ended"
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _plot(results: Mapping[str, Result], options: argparse.Namespace) -> None:
    """A row per class: the dot is p50, the line ends at p95, the tick is the worst."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(11, 1.5 + 0.24 * len(results)), layout="constrained")
    for kind, colour, shift in (("floor", "0.6", 0.22), ("ours", "tab:blue", 0), ("naive", "tab:orange", -0.22)):
        for row, result in enumerate(results.values()):
            limit = options.naive_timeout * 1000
            p50, p95, worst = (min(value, limit) for value in getattr(result, kind).summary())
            axes.plot([p50, p95], [row + shift] * 2, color=colour, linewidth=1.5)
            axes.plot(worst, row + shift, "|", color=colour, markersize=5)
            axes.plot(p50, row + shift, "o", color=colour, markersize=4, label=kind if row == 0 else None)
    axes.set(xscale="log", xlabel="ms", ylim=(len(results) - 0.4, -0.6), yticks=range(len(results)))
    axes.set_yticklabels(results)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.tick_params(axis="x", top=True, labeltop=True)
    axes.grid(axis="x", which="major", color="0.8")
    for row in range(0, len(results), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.96", zorder=0)
    axes.set_title(
        f"A page of {LIMIT} of {options.images:,} images: p50 (dot), p95 (line), worst (tick);"
        f" naive ended after {options.naive_timeout:.0f} s"
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, frameon=False)
    figure.savefig(options.plot, dpi=110)


if __name__ == "__main__":
    main()
