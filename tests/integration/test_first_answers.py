"""Answers that are kept for a day, by caller and key."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from chalicelib.database import first_answers
from chalicelib.database.first_answers import KEPT, Kept
from chalicelib.database.tables import FirstAnswer
from chalicelib.events import housekeeping

FIRST = Kept(b"\0" * 32, 201, {"Location": "https://example.org/1"}, '{"id": 1, "name": "Größe 🫁"}', [1], [2, 3])
SECOND = Kept(b"\1" * 32, 204, {}, "", [], [])


def age(session: Session, key: str, by: timedelta) -> None:
    older = update(FirstAnswer).where(FirstAnswer.key == key).values(answered_at=FirstAnswer.answered_at - by)
    session.execute(older)


def test_an_answer_is_found_by_its_caller_and_key_as_it_was_kept(session: Session) -> None:
    first_answers.keep(session, "ann", "k", FIRST)
    first_answers.keep(session, "bob", "k", SECOND)

    assert first_answers.find(session, "ann", "k") == FIRST
    assert first_answers.find(session, "bob", "k") == SECOND
    assert first_answers.find(session, "ann", "l") is None


def test_after_a_day_the_key_is_free_for_another_request(session: Session) -> None:
    first_answers.keep(session, "ann", "k", FIRST)
    age(session, "k", KEPT)

    assert first_answers.find(session, "ann", "k") is None
    first_answers.keep(session, "ann", "k", SECOND)
    assert first_answers.find(session, "ann", "k") == SECOND


def test_a_claim_lasts_as_long_as_its_transaction(engine: Engine) -> None:
    with Session(engine) as one, Session(engine) as other:
        assert first_answers.claim(one, "ann", "k")
        assert not first_answers.claim(other, "ann", "k")
        assert first_answers.claim(other, "bob", "k")
        assert first_answers.claim(other, "an", "nk")
        one.rollback()
        assert first_answers.claim(other, "ann", "k")


def test_old_answers_are_dropped_chunk_by_chunk_and_others_stay(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "ANSWERS_A_CHUNK", 2)
    with Session(committed) as session, session.begin():
        for number in range(5):
            first_answers.keep(session, "ann", f"old {number}", FIRST)
            age(session, f"old {number}", KEPT)
        first_answers.keep(session, "ann", "new", FIRST)

    housekeeping.tidy()

    with Session(committed) as session, session.begin():
        assert [answer.key for answer in session.query(FirstAnswer)] == ["new"]
        session.query(FirstAnswer).delete()
