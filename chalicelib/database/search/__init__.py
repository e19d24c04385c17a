"""Every query that finds images: browsing, by tag, by pattern, by date, by what is known of them.

`conditions` says what is asked in terms of the database, `plan` chooses the form that answers it soonest, `forms` has
their SQL, `rows` runs it.
"""

from dataclasses import replace

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from chalicelib.database.engine import timed_out
from chalicelib.database.images import FoundImage
from chalicelib.database.pages import TOTAL_LIMIT, Page, Window
from chalicelib.database.ranges import AttributeRange
from chalicelib.database.search import rows
from chalicelib.database.search.conditions import TAGS, Impossible, Question, resolve
from chalicelib.database.search.criteria import Criteria
from chalicelib.database.search.deadline import Deadline
from chalicelib.database.search.plan import Plan, choose
from chalicelib.errors import TooCostly

__all__ = ["AttributeRange", "Criteria", "FoundImage", "explain", "find"]


def find(session: Session, criteria: Criteria, window: Window) -> Page[FoundImage]:
    """Newest first, with their tags; images in the bin are never among them. Wants a session of `reading`.
    Raises TooCostly when looking up what it names and finding the page take too long together."""
    deadline = Deadline.of_a_search()
    question = _resolved(session, criteria, deadline)
    if isinstance(question, Impossible):
        return Page([], False, 0 if window.total else None)
    found = _fetched(session, question, window, deadline)
    page = Page(found[: window.limit], len(found) > window.limit, None)
    return _counted(session, question, window, page) if window.total else page


def explain(session: Session, criteria: Criteria, window: Window) -> Plan | Impossible:
    """How `find` would look for the page."""
    question = resolve(session, criteria)
    if isinstance(question, Impossible):
        return question
    return choose(_behind(question, window), window.offset + window.limit + 1)


def _behind(question: Question, window: Window) -> Question:
    return question if window.after is None else question.before(window.after)


def _counted(session: Session, question: Question, window: Window, page: Page[FoundImage]) -> Page[FoundImage]:
    seen = window.offset + len(page.rows) + page.has_more if page.rows else 0
    count: int | None
    if window.after is None and not page.has_more and (page.rows or window.offset == 0):
        count = seen
    elif question.count is not None:
        count = question.count
    else:
        count = rows.count(session, question, TOTAL_LIMIT + 1)
    if count is None:
        return replace(page, total=min(seen, TOTAL_LIMIT), total_is_exact=False)
    return replace(page, total=min(count, TOTAL_LIMIT), total_is_exact=count <= TOTAL_LIMIT)


def _resolved(session: Session, criteria: Criteria, deadline: Deadline) -> Question | Impossible:
    try:
        return resolve(session, criteria, deadline)
    except OperationalError as error:
        if timed_out(error) and criteria.match_tags:
            raise _too_many_tags() from error
        raise


def _fetched(session: Session, question: Question, window: Window, deadline: Deadline) -> list[FoundImage]:
    try:
        return rows.fetch(session, _behind(question, window), window.limit + 1, window.offset, deadline)
    except OperationalError as error:
        if timed_out(error):
            raise _too_broad(question) from error
        raise


def _too_many_tags() -> TooCostly:
    """Beside patterns, hardly anything takes long to look up."""
    message = "it took too long to find the tags that these patterns stand for"
    return TooCostly(
        f"match_tags: {message}. Give longer patterns.", errors=[{"field": "match_tags", "message": message}]
    )


def _too_broad(question: Question) -> TooCostly:
    """Names the condition that most images have to be looked at for."""
    broadest = max(question.conditions, key=lambda each: (not each.ordered, each.images), default=question.listed)
    several = "tags" if broadest.table == TAGS else "values"
    message = f"stands for {broadest.tags:,} {several} on" if broadest.tags > 1 else "holds for"
    message += f" about {broadest.images:,.0f} images, too many for this search"
    return TooCostly(
        f"{broadest.name} {message}. Ask for less: a longer pattern, one more tag that is rarer, or fewer days.",
        errors=[{"field": broadest.name, "message": message}],
    )
