"""The SQL of each form: the ids of images that meet all conditions, newest first.

PostgreSQL's planner would often choose otherwise, at times a thousand times slower. So the SQL leaves it no choice:
OFFSET 0 keeps a look-up from being turned into a join, `settings` keep a join from becoming anything but a merge, and
ids are literals, so that what is known of them counts.
"""

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.database.search.conditions import Condition, Question
from chalicelib.database.search.lookup import LAST_ID
from chalicelib.database.search.plan import Form, Plan


def settings(plan: Plan) -> str:
    """Statements, before the form's own, that switch off what PostgreSQL shall not do unless there is no other way."""
    merges = plan.form in (Form.MERGE, Form.INTERSECT)
    sorts = plan.form in (Form.NEWEST_OF_EACH, Form.GATHER)
    allowed = {
        "enable_seqscan": False,
        "enable_bitmapscan": plan.form is Form.GATHER,
        "enable_sort": sorts,
        "enable_hashagg": sorts,
        "enable_nestloop": not merges,
        "enable_hashjoin": not merges,
    }
    return "".join(f"SET LOCAL {name} = {'on' if on else 'off'}; " for name, on in allowed.items())


def ids(plan: Plan, question: Question, limit: int, offset: int = 0) -> str:
    """A query with the one column `image_id`."""
    write = {
        Form.STREAM: _stream,
        Form.MERGE: _merge,
        Form.INTERSECT: _intersect,
        Form.NEWEST_OF_EACH: _newest_of_each,
        Form.GATHER: _gather,
    }[plan.form]
    return f"{write(plan, question, limit + offset)} ORDER BY image_id DESC LIMIT {limit} OFFSET {offset}"


def row_after_budget(plan: Plan, question: Question) -> str:
    """A query that finds something if there is more than the budget let the plan see. It is asked a little later, when
    links that the plan saw may be gone: so a tenth less than the budget is taken for spent."""
    leading, spent = plan.leading[0], (plan.budget or 0) * 9 // 10
    return f"SELECT 1 {_rows(leading, 'a', question)} ORDER BY a.{leading.column} DESC OFFSET {spent} LIMIT 1"


def _stream(plan: Plan, question: Question, _: int) -> str:
    leading = plan.leading[0]
    rows = _rows(leading, "a", question)
    if plan.budget is not None:
        rows = f"FROM (SELECT a.* {rows} ORDER BY a.{leading.column} DESC LIMIT {plan.budget}) a WHERE true"
    return f"SELECT a.{leading.column} AS image_id {rows}{_looked_up(plan, f'a.{leading.column}', 'a')}"


def _merge(plan: Plan, question: Question, _: int) -> str:
    """The look-ups come after the merge: PostgreSQL would do them before, for every row."""
    first, *others = (_each_once(each, question) for each in plan.leading if not each.excluded)
    joined = "".join(f" JOIN ({rows}) a{number} USING (image_id)" for number, rows in enumerate(others, start=1))
    without = "".join(
        f" AND NOT EXISTS (SELECT FROM ({_each_once(each, question)} ORDER BY image_id DESC OFFSET 0) e"
        " WHERE e.image_id = a0.image_id)"
        for each in plan.leading
        if each.excluded
    )
    merged = f"SELECT a0.image_id FROM ({first}) a0{joined} WHERE true{without}"
    if not plan.probed:
        return merged
    looked_up = _looked_up(plan, "m.image_id")
    return f"SELECT m.image_id FROM ({merged} ORDER BY image_id DESC OFFSET 0) m WHERE true{looked_up}"


def _intersect(plan: Plan, question: Question, most: int) -> str:
    """What is packed; what is packed and has changed; what is not packed yet. No image is in two of them."""
    probed = (*plan.leading[1:], *plan.probed)
    older = replace(question, end=min(question.end, question.packed_end))
    newer = replace(question, first=max(question.first, question.packed_end))
    changed = (
        f"SELECT DISTINCT c.image_id FROM changed_images c WHERE true{_within('c.image_id', older)}"
        f"{_looked_up(replace(plan, probed=(plan.leading[0], *probed)), 'c.image_id')}"
    )
    unpacked = _stream(replace(plan, probed=probed), newer, most)
    return (
        f"SELECT i.image_id FROM (({_packed(plan, older)} LIMIT {most}) UNION ALL ({changed})"
        f" UNION ALL ({unpacked} ORDER BY image_id DESC LIMIT {most})) i"
    )


def _packed(plan: Plan, question: Question) -> str:
    """Arrays are intersected, and taken apart by the block, newest first. `|| '{}'` gets a block's ids out of the
    table once, instead of once for each image."""
    first, *others = plan.leading
    places, joined = "l0.places", ""
    for number, each in enumerate(others, start=1):
        operator, outer = ("-", "LEFT ") if each.excluded else ("&", "")
        places = f"({places} {operator} coalesce(l{number}.places, '{{}}'))"
        same_block = f"l{number}.first_id = l0.first_id AND {each.holds.replace('@.', f'l{number}.')}"
        joined += f" {outer}JOIN packed_links l{number} ON {same_block}"
    lists = (
        f"SELECT l0.first_id, {places} AS places FROM packed_links l0{joined}"
        f" WHERE {first.holds.replace('@.', 'l0.')} AND l0.first_id < {question.end} AND l0.first_id >="
        f" (SELECT coalesce(max(first_id), 0) FROM packed_blocks WHERE first_id <= {question.first})"
        " ORDER BY first_id DESC OFFSET 0"
    )
    return (
        f"SELECT g.image_id FROM ({lists}) l JOIN packed_blocks b USING (first_id)"
        " CROSS JOIN LATERAL (SELECT b.image_ids || '{}' AS image_ids OFFSET 0) o"
        " CROSS JOIN LATERAL (SELECT place, o.image_ids[place] AS image_id FROM unnest(l.places) u (place) OFFSET 0) g"
        f" WHERE l.places <> '{{}}'{_within('g.image_id', question)}{_looked_up(plan, 'g.image_id')}"
        " AND NOT EXISTS (SELECT FROM changed_images c WHERE c.image_id = g.image_id OFFSET 0)"
        " ORDER BY l.first_id DESC, g.place DESC"
    )


def _newest_of_each(plan: Plan, question: Question, most: int) -> str:
    leading = plan.leading[0]
    return (
        f"SELECT DISTINCT n.image_id FROM unnest('{leading.tag_ids}'::bigint[]) AS t (tag_id) CROSS JOIN LATERAL ("
        f"SELECT a.image_id FROM {leading.table} a WHERE a.tag_id = t.tag_id{_within('a.image_id', question)}"
        f"{_looked_up(plan, 'a.image_id')} ORDER BY a.image_id DESC LIMIT {most}) n"
    )


def _gather(plan: Plan, question: Question, _: int) -> str:
    leading = plan.leading[0]
    if leading.walks_images:
        rows = _rows(leading, "a", question) + _looked_up(plan, "a.id", "a")
        return f"SELECT g.image_id FROM (SELECT a.id AS image_id {rows} OFFSET 0) g"
    rows = _each_once(replace(leading, ordered=False), question)
    return f"SELECT g.image_id FROM ({rows} OFFSET 0) g WHERE true{_looked_up(plan, 'g.image_id')}"


def _each_once(condition: Condition, question: Question) -> str:
    """A query with the one column `image_id`. Of many tags each is looked up by itself: for a list of them PostgreSQL
    may read all links."""
    if condition.ordered or not condition.tag_ids:
        return f"SELECT s.{condition.column} AS image_id {_rows(condition, 's', question)}"
    return (
        f"SELECT DISTINCT s.image_id FROM unnest('{condition.tag_ids}'::bigint[]) AS t (tag_id) CROSS JOIN LATERAL ("
        f"SELECT image_id FROM {condition.table} WHERE tag_id = t.tag_id{_within('image_id', question)} OFFSET 0) s"
    )


def _rows(condition: Condition, alias: str, question: Question) -> str:
    if condition.branches:
        return (
            f"FROM ({_side_by_side(condition.branches, question)} ORDER BY image_id DESC OFFSET 0) {alias} WHERE true"
        )
    within = _within(f"{alias}.{condition.key}", question)
    return f"FROM {condition.table} {alias} WHERE {condition.holds.replace('@.', f'{alias}.')}{within}"


def _side_by_side(branches: Sequence[str], question: Question) -> str:
    """Each branch in order by itself: PostgreSQL does not see that an index on (tag_id, image_id) has the links of one
    tag in order if the tag is given in a branch of a union."""
    ordered = (f"({branch}{_within('image_id', question)} ORDER BY image_id DESC OFFSET 0)" for branch in branches)
    return f"SELECT DISTINCT image_id FROM ({' UNION ALL '.join(ordered)}) u"


def _within(column: str, question: Question) -> str:
    start = f" AND {column} >= {question.first}" if question.first > 0 else ""
    return start + (f" AND {column} < {question.end}" if question.end < LAST_ID else "")


def _looked_up(plan: Plan, image_id: str, images: str | None = None) -> str:
    """Conditions on an image; those on its row directly where `images` is the alias of the rows."""
    direct = images if plan.leading[0].walks_images else None
    return "".join(f" AND {_probe(each, image_id, direct)}" for each in plan.probed)


def _probe(condition: Condition, image_id: str, images: str | None) -> str:
    if images and condition.table == "images":
        return condition.holds.replace("@.", f"{images}.")
    found = f"SELECT FROM {condition.table} p WHERE p.{condition.key} = {image_id}"
    probe = f"EXISTS ({found} AND {condition.holds.replace('@.', 'p.')} OFFSET 0)"
    return f"NOT {probe}" if condition.excluded else probe
