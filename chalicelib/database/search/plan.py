"""Chooses the form of a search by what it is expected to cost, and what it can cost at most if the estimates are wrong.

Costs are in microseconds, measured on PostgreSQL 18 with everything in memory. Conditions are taken to be independent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import prod

from chalicelib.database.packing import BLOCK
from chalicelib.database.search.conditions import Condition, Question
from chalicelib.database.search.lookup import MOST_CHANGES

STEP = 0.1
"""One entry of an index in its order."""
UNION_STEP = 0.4
"""One entry of several indexes, in the order of all."""
BRANCH = 80.0
"""Planning for one more of several indexes."""
ROW = 1.0
"""One image's row, in the order of ids."""
PROBE = 1.0
"""Whether an image has a tag."""
SET_PROBE = 2.0
"""Whether an image has one of many tags: all its tags are looked at."""
ROW_PROBE = 2.5
"""Something in an image's row."""
DESCENT = 2.0
"""Finding a tag in the index."""
SORT = 0.3
"""Putting one of a few images into order, each once."""
GATHERED = 2.0
"""The same, of many."""
LIST = 3.0
"""One tag's packed list of a block: finding it and intersecting it with another's."""
PACKED_START = 300.0
"""Planning what is to be done with packed lists."""

MOST_TAGS_EACH = 2000
"""The form that looks at each tag of a condition is not thought of for more tags."""

HARDLY_ANY_LEFT_OUT = 0.5

DOUBT = 0.05
"""How often the estimates are expected to be so wrong that all rows are looked at, in vain."""

BEARABLE = 20_000.0
SPARE = 4
SPARE_ROWS = 1000
"""A form that could cost more than is bearable gets a budget: so many times as many rows as expected, and some."""


class Form(StrEnum):
    STREAM = "stream"
    """Walks one index, newest first, and looks each image up for the other conditions until the page is full. Wins when
    one condition is rare, or when most images meet them all."""

    MERGE = "merge"
    """Walks the indexes of several conditions side by side, newest first. A step costs a tenth of a look-up: wins
    for popular tags, all the more if few images have them all."""

    INTERSECT = "intersect"
    """Intersects packed lists of links, block by block, newest first. A step costs a tenth of one of a merge: wins for
    popular tags that hardly any image has all of, or has both of two."""

    NEWEST_OF_EACH = "newest of each"
    """Takes the newest images of each tag of a condition, and of these the newest. Wins for patterns of few tags."""

    GATHER = "gather"
    """Takes all images of a condition, looks each up for the others, sorts. Wins for patterns whose tags are rare."""


@dataclass(frozen=True)
class Plan:
    form: Form
    leading: tuple[Condition, ...]
    """Which are walked or gathered; the first is the rarest."""
    probed: tuple[Condition, ...]
    """Which the images of the leading ones are looked up for, in this order."""
    rows: float
    """Of the leading conditions, that are expected to be looked at."""
    cost: float
    worst: float
    """What it costs if all rows of the leading conditions are looked at, since the page does not become full."""
    in_vain: float
    """The same, if the leading conditions turn out to have no image in common."""
    budget: int | None = None
    """How many rows of the leading condition may be looked at."""
    complete: "Plan | None" = None
    """For when the budget did not do."""

    @property
    def reason(self) -> str:
        led = " and ".join(f"{each.name} (~{each.images:.0f} images)" for each in self.leading)
        looked_up = ", ".join(each.name for each in self.probed) or "nothing"
        return f"by {led}, looking up {looked_up}: ~{self.rows:.0f} rows, {self.cost:.0f} us; all, {self.worst:.0f} us"


def choose(question: Question, wanted: int) -> Plan:
    """For a page, or a count, that ends with the result of this number."""
    plans = list(candidates(question, wanted))
    complete = min(plans, key=lambda plan: plan.worst)
    best = min(plans, key=lambda plan: plan.cost + DOUBT * _in_vain(plan, complete))
    if best.form is Form.STREAM and best.worst > max(BEARABLE, complete.worst):
        return replace(best, budget=round(best.rows * SPARE) + SPARE_ROWS, complete=complete)
    return best


def _in_vain(plan: Plan, complete: Plan) -> float:
    """With the budget that it may be given."""
    return min(plan.in_vain, SPARE * plan.cost + complete.worst) if plan.form is Form.STREAM else plan.in_vain


def candidates(question: Question, wanted: int) -> Iterator[Plan]:
    """All that answer the question."""
    return _Estimate(question, wanted).candidates()


class _Estimate:
    def __init__(self, question: Question, wanted: int) -> None:
        self._question = question
        self._wanted = wanted
        self._population = max(self._within(each) for each in (question.listed, *question.conditions))

    def candidates(self) -> Iterator[Plan]:
        required = sorted((each for each in self._question.conditions if not each.excluded), key=self._within)
        ordered = [each for each in required if each.ordered]
        for leading in [*ordered, self._question.listed]:
            yield self._stream(leading)
        for several in range(1, len(ordered) + 1):
            yield from self._merge(tuple(ordered[:several]))
        if not required:
            yield from self._merge((self._question.listed,))
        yield from self._intersect(tuple(each for each in required if each.packed))
        for leading in required:
            if leading.indexed and (leading.tag_ids or not leading.ordered):
                yield self._gather(leading)
            if leading.tag_ids and leading.tags <= MOST_TAGS_EACH:
                yield from self._newest_of_each(leading)

    def _stream(self, leading: Condition) -> Plan:
        probed = self._others(leading)
        share, probe = self._looking_up(probed, leading)
        all_rows = self._within(leading)
        rows = min(all_rows, self._wanted / share)
        row = probe + (ROW if _reads_rows(leading, probed) else _step(leading))
        start = _start(leading)
        worst = start + all_rows * row
        return Plan(Form.STREAM, (leading,), probed, rows, start + rows * row, worst, worst)

    def _merge(self, required: tuple[Condition, ...]) -> Iterator[Plan]:
        """Those that are excluded are walked along."""
        leading = required + tuple(each for each in self._question.conditions if each.excluded)
        if not required or len(leading) == 1:
            return
        probed = self._others(*leading)
        share, probe = self._looking_up(probed)
        both = prod(self._share(each) for each in leading)
        images = min(self._population, self._wanted / share / both)
        start = sum(_start(each) for each in leading)
        step = sum(self._share(replace(each, excluded=False)) * _step(each) for each in leading)
        yield Plan(
            Form.MERGE,
            leading,
            probed,
            images * step / STEP,
            start + images * (step + both * probe),
            start + self._population * (step + both * probe),
            start + self._population * step,
        )

    def _intersect(self, required: tuple[Condition, ...]) -> Iterator[Plan]:
        """Those that are excluded are taken out of the lists."""
        leading = required + tuple(each for each in self._question.conditions if each.excluded and each.packed)
        if not required or len(leading) == 1 or self._question.changed >= MOST_CHANGES:
            return
        probed = self._others(*leading)
        share, probe = self._looking_up(probed)
        both = prod(self._share(each) for each in leading)
        packed = self._population * both
        part = min(1.0, self._wanted / (share * max(1.0, packed)))
        lists = max(1.0, self._within(self._question.listed) / BLOCK) * len(leading) * LIST
        unpacked = self._question.changed + self._within(required[0], self._question.packed_end)
        start = PACKED_START + unpacked * (STEP + self._looking_up((*leading[1:], *probed))[1])
        yield Plan(
            Form.INTERSECT,
            leading,
            probed,
            part * packed,
            start + part * (lists + packed * (ROW + probe)),
            start + lists + (packed if probed else min(packed, self._wanted)) * (ROW + probe),
            start + lists,
        )

    def _newest_of_each(self, leading: Condition) -> Iterator[Plan]:
        """Unless much is left out: of a tag whose images all are, every one would be looked at."""
        probed = self._others(leading)
        share, probe = self._looking_up(probed)
        if share < HARDLY_ANY_LEFT_OUT:
            return
        all_rows = self._within(leading)
        rows = min(all_rows, leading.tags * self._wanted / share)
        start, row = leading.tags * DESCENT, STEP + probe + SORT
        worst = start + all_rows * row
        yield Plan(Form.NEWEST_OF_EACH, (leading,), probed, rows, start + rows * row, worst, worst)

    def _gather(self, leading: Condition) -> Plan:
        probed = self._others(leading)
        rows = self._within(leading)
        cost = self._sorting(leading) + rows * self._looking_up(probed)[1]
        return Plan(Form.GATHER, (leading,), probed, rows, cost, cost, cost)

    def _sorting(self, condition: Condition) -> float:
        each = ROW_PROBE if condition.table == "images" else STEP
        return condition.tags * DESCENT + self._within(condition) * (each + GATHERED)

    def _others(self, *leading: Condition) -> tuple[Condition, ...]:
        """The most telling for their price come first."""
        others = [each for each in self._question.conditions if each not in leading]
        return tuple(sorted(others, key=lambda each: _price(each) / (1.001 - self._share(each))))

    def _looking_up(self, probed: Sequence[Condition], leading: Condition | None = None) -> tuple[float, float]:
        """The share of images that meet them all, and the cost of finding out for one."""
        share, cost = 1.0, 0.0
        for each in probed:
            here = leading is not None and leading.walks_images and each.table == "images"
            cost += share * (STEP if here else _price(each))
            share *= self._share(each)
        return max(share, 1e-9), cost

    def _share(self, condition: Condition) -> float:
        """Of the images within, those that the condition leaves."""
        share = min(1.0, self._within(condition) / self._population)
        return max(1e-9, 1 - share if condition.excluded else share)

    def _within(self, condition: Condition, from_id: int = 0) -> float:
        """An estimate; never nothing, for it may be wrong."""
        span = max(1, condition.newest - condition.oldest)
        first, last = (
            max(self._question.first, condition.oldest, from_id),
            min(self._question.end - 1, condition.newest),
        )
        return max(1.0, condition.images * min(1.0, max(0.0, (last - first) / span)))


def _reads_rows(leading: Condition, probed: Sequence[Condition]) -> bool:
    return leading.walks_images and any(each.table == "images" for each in probed)


def _start(condition: Condition) -> float:
    return BRANCH * len(condition.branches) if condition.branches else 0.0


def _step(condition: Condition) -> float:
    return UNION_STEP if condition.branches else STEP


def _price(condition: Condition) -> float:
    if condition.table == "images":
        return ROW_PROBE
    return PROBE if condition.tags == 1 else SET_PROBE
