"""Runs the forms: for a page of images, or to count them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from chalicelib.config import settings
from chalicelib.database import images
from chalicelib.database.engine import timed_out
from chalicelib.database.images import FoundImage
from chalicelib.database.search import forms
from chalicelib.database.search.conditions import Question
from chalicelib.database.search.deadline import Deadline
from chalicelib.database.search.plan import Plan, choose

COUNT = "SELECT count(*) FROM ({ids}) c"


def fetch(session: Session, question: Question, limit: int, offset: int, deadline: Deadline) -> list[FoundImage]:
    """Raises QueryCanceled, wrapped by SQLAlchemy, when that takes too long in all."""

    def sql(plan: Plan) -> str:
        return images.query(forms.ids(plan, question, limit, offset))

    def is_full(rows: Sequence[Any]) -> bool:
        return len(rows) == limit

    run = _Run(session, question, deadline)
    rows = run.within_budget(choose(question, limit + offset), sql, is_full)
    return [FoundImage.of(*row) for row in rows]


def count(session: Session, question: Question, limit: int) -> int | None:
    """No further than the limit; None when that takes too long."""

    def sql(plan: Plan) -> str:
        return COUNT.format(ids=forms.ids(plan, question, limit))

    def is_full(rows: Sequence[Any]) -> bool:
        return bool(rows[0][0] == limit)

    run = _Run(session, question, Deadline.within(settings().count_timeout_milliseconds / 1000))
    try:
        rows = run.within_budget(choose(question, limit), sql, is_full)
    except OperationalError as error:
        if timed_out(error):
            return None
        raise
    counted: int = rows[0][0]
    return counted


@dataclass(frozen=True)
class _Run:
    session: Session
    question: Question
    deadline: Deadline
    """Of all its statements."""

    def within_budget(
        self, plan: Plan, sql: Callable[[Plan], str], is_full: Callable[[Sequence[Any]], bool]
    ) -> Sequence[Any]:
        """Again by the complete plan, when the budget of the first left rows unseen that are wanted."""
        rows = self._execute(plan, sql(plan))
        if plan.complete is None or is_full(rows):
            return rows
        if not self._execute(plan, forms.row_after_budget(plan, self.question)):
            return rows
        return self._execute(plan.complete, sql(plan.complete))

    def _execute(self, plan: Plan, sql: str) -> Sequence[Any]:
        prefix = self.deadline.limit() + forms.settings(plan)
        return self.session.connection().exec_driver_sql(prefix + sql, dict(self.question.texts)).fetchall()
