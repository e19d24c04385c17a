"""What is put off when tags change, and done by the clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from threading import Event

import pytest
from sqlalchemy import Connection, Engine, Select, event, func, insert, select
from sqlalchemy.orm import Session

from chalicelib.database import engine as product
from chalicelib.database import packing, search, tags, upkeep
from chalicelib.database.pages import Window
from chalicelib.database.search import Criteria, conditions, forms
from chalicelib.database.search.conditions import Question
from chalicelib.database.search.plan import Form, Plan, candidates
from chalicelib.database.tables import (
    EPOCH_MILLISECONDS,
    Tag,
    binned_image_tags,
    changed_images,
    image_tags,
    packed_blocks,
    packed_links,
    packed_tags,
    tag_count_changes,
    untagged_images,
)
from chalicelib.errors import TooCostly
from chalicelib.events import housekeeping
from chalicelib.services import images
from chalicelib.services import tags as tag_service
from chalicelib.services.images import Change
from tests.builders import EDITOR, a_tag, an_image

OLD = (1_700_000_000 * 1000 - EPOCH_MILLISECONDS + 10**10) << 12


def rows(session: Session, table: object) -> int:
    return session.scalars(select(func.count()).select_from(table)).one()  # type: ignore[arg-type]


def found(session: Session, criteria: Criteria) -> list[int]:
    return [image.id for image in search.find(session, criteria, Window(100)).rows]


def test_the_links_of_a_deleted_tag_go_chunk_by_chunk_and_then_the_tag(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "LINKS_A_CHUNK", 3)
    with Session(committed) as session, session.begin():
        only = [an_image(session, ["gone"]).id for _ in range(10)]
        both = [an_image(session, ["gone", "kept"]).id for _ in range(10)]
        images.delete(session, EDITOR, both[0])
        images.delete(session, EDITOR, only[0])
        tag_service.delete(session, a_tag(session, "gone"))

    with Session(committed) as session:
        assert found(session, Criteria(exact_tags=("gone",))) == []
        assert found(session, Criteria(untagged=True)) == sorted(only[1:], reverse=True)
    housekeeping.tidy()

    with Session(committed) as session:
        assert (rows(session, Tag), rows(session, image_tags), rows(session, binned_image_tags)) == (1, 9, 1)
        assert found(session, Criteria(untagged=True)) == sorted(only[1:], reverse=True)
        assert rows(session, untagged_images) == 9


def test_a_run_that_is_out_of_time_leaves_the_rest_to_the_next(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(committed) as session, session.begin():
        an_image(session, ["gone"])
        tag_service.delete(session, a_tag(session, "gone"))
    monkeypatch.setattr(housekeeping, "SECONDS_A_RUN", 0)

    housekeeping.tidy()
    with Session(committed) as session:
        assert rows(session, image_tags) == 1
    monkeypatch.undo()
    housekeeping.tidy()

    with Session(committed) as session:
        assert (rows(session, image_tags), rows(session, Tag)) == (0, 0)


def test_an_image_that_someone_is_changing_keeps_its_link_until_the_next_run(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        busy, _ = an_image(session, ["gone"]).id, an_image(session, ["gone"])
        tag_service.delete(session, a_tag(session, "gone"))

    with Session(committed) as session, session.begin():
        images.replace(session, busy, Change(filename="b.dcm"), if_match=None)
        housekeeping.tidy()
    with Session(committed) as session:
        assert session.scalars(select(image_tags.c.image_id)).all() == [busy]
    housekeeping.tidy()

    with Session(committed) as session:
        assert rows(session, image_tags) == 0


def test_counts_are_right_before_and_after_they_are_added_up(committed: Engine) -> None:
    with Session(committed) as session, session.begin():
        for number in range(7):
            an_image(session, ["ct", f"other {number}"])
        images.delete(session, EDITOR, an_image(session, ["ct"]).id)

    with Session(committed) as session:
        assert tag_service.get(session, a_tag(session, "ct")).image_count == 7
    housekeeping.tidy()

    with Session(committed) as session:
        assert rows(session, tag_count_changes) == 0
        assert tag_service.get(session, a_tag(session, "ct")).image_count == 7
        assert session.scalars(select(Tag.image_count).where(Tag.name == "ct")).one() == 7


def test_a_merge_that_takes_too_long_changes_nothing_and_says_so(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(committed) as session, session.begin():
        source, target = a_tag(session, "source"), a_tag(session, "target")
        an_image(session, ["source"])

    with Session(committed) as session:
        session.connection().exec_driver_sql("SET statement_timeout = 1")
        monkeypatch.setattr(
            tags, "_keep_still", lambda session, _: session.connection().exec_driver_sql("SELECT pg_sleep(9)")
        )
        with pytest.raises(TooCostly, match="Nothing has changed"):
            tags.merge(session, source, target)

    with Session(committed) as session:
        assert tags.exists(session, source)
        assert len(found(session, Criteria(exact_tags=("source",)))) == 1


@pytest.fixture
def packed(committed: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Sixty old images, packed ten by ten but for the last ten. All are `all`, every second `two`, every third `three`,
    one `rare`."""
    for name, value in {"BLOCK": 10, "LEAST_IMAGES": 10, "LEAST_SHARE": 0}.items():
        monkeypatch.setattr(packing, name, value)
    monkeypatch.setattr(housekeeping, "BEARABLE_CHANGES", 2)
    with Session(committed) as session, session.begin():
        for number in range(60):
            names = {"all": 1, "two": 2, "three": 3, "rare": 60}
            an_image(session, [name for name, step in names.items() if number % step == 0], id=OLD + number)
    housekeeping.tidy()
    return committed


def numbers(session: Session, *exact: str, without: tuple[str, ...] = ()) -> list[int]:
    return [id_ - OLD for id_ in found(session, Criteria(exact_tags=exact, exclude_tags=without))]


def noted(session: Session) -> set[int]:
    """By number, of the packed."""
    return {id_ - OLD for id_ in session.scalars(select(changed_images.c.image_id)) if id_ < OLD + 50}


def test_popular_tags_are_packed_in_full_blocks_of_old_images(packed: Engine) -> None:
    with Session(packed) as session:
        names = session.scalars(select(Tag.name).join(packed_tags, packed_tags.c.tag_id == Tag.id)).all()
        blocks = session.execute(select(packed_blocks).order_by("first_id")).all()

        assert sorted(names) == ["all", "three", "two"]
        assert [len(block.image_ids) for block in blocks] == [10] * 5
        assert [block.first_id for block in blocks] == [0, *(block.end_id for block in blocks[:-1])]
        assert rows(session, packed_links) == 15
        assert numbers(session, "two", "three") == [54, 48, 42, 36, 30, 24, 18, 12, 6, 0]


def test_images_younger_than_an_hour_are_not_packed(packed: Engine) -> None:
    with Session(packed) as session, session.begin():
        for _ in range(30):
            an_image(session, ["all"])

    housekeeping.tidy()

    with Session(packed) as session:
        assert rows(session, packed_blocks) == 5


def test_a_change_of_a_packed_image_is_noted_and_the_block_packed_again(packed: Engine) -> None:
    with Session(packed) as session, session.begin():
        images.replace(session, OLD + 6, Change(tags=["two"]), if_match=None)
        images.add_tag(session, OLD + 7, "two")
        images.add_tag(session, OLD + 7, "three")
        images.delete(session, EDITOR, OLD + 12)
    with Session(packed) as session:
        assert noted(session) == {6, 7, 12}
        assert numbers(session, "two", "three")[-3:] == [18, 7, 0]

    housekeeping.tidy()
    with Session(packed) as session:
        assert noted(session) == {12}
        assert numbers(session, "two", "three")[-3:] == [18, 7, 0]


def test_of_many_changes_of_a_block_some_are_forgotten_at_a_time(
    packed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST_FORGOTTEN", 2)
    for act in (images.add_tag, images.take_off_tag) * 3:
        with Session(packed) as session, session.begin():
            act(session, OLD + 7, "two")

    with Session(packed) as session, session.begin():
        packing.pack(session, packing.Block(0, OLD + 10))
    with Session(packed) as session:
        assert rows(session, changed_images) == 4 + _young(session)
    housekeeping.tidy()

    with Session(packed) as session:
        assert rows(session, changed_images) == 2 + _young(session)
        assert numbers(session, "two", "three")[-3:] == [12, 6, 0]


def _young(session: Session) -> int:
    """Changes that were noted before their images were packed."""
    return len([id_ for id_ in session.scalars(select(changed_images.c.image_id)) if id_ >= OLD + 10])


def test_a_change_under_way_while_its_block_is_packed_stays_noted(packed: Engine) -> None:
    with Session(packed) as session, session.begin():
        for number in (1, 5, 7):
            images.add_tag(session, OLD + number, "rare")
    with Session(packed) as session, session.begin():
        images.add_tag(session, OLD + 9, "two")
        session.flush()
        housekeeping.tidy()

    with Session(packed) as session:
        assert noted(session) == {9}
        assert numbers(session, "two", "three")[-3:] == [9, 6, 0]


def test_a_tag_that_becomes_popular_is_packed_in_all_blocks(packed: Engine) -> None:
    with Session(packed) as session, session.begin():
        for number in range(0, 60, 5):
            images.add_tag(session, OLD + number, "five")

    housekeeping.tidy()

    with Session(packed) as session:
        five = a_tag(session, "five")
        assert session.scalars(select(packed_tags.c.packed_from).where(packed_tags.c.tag_id == five)).one() == 0
        assert numbers(session, "five", "two") == [50, 40, 30, 20, 10, 0]
        assert numbers(session, "five", without=("two",)) == [55, 45, 35, 25, 15, 5]


def test_links_of_a_deleted_tag_go_unnoted(packed: Engine) -> None:
    with Session(packed) as session, session.begin():
        tag_service.delete(session, a_tag(session, "two"))

    housekeeping.tidy()

    with Session(packed) as session:
        assert (noted(session), rows(session, packed_links)) == (set(), 10)
        assert session.scalar(select(Tag.id).where(Tag.name == "two")) is None


def test_while_many_tags_are_purged_the_untagged_are_found_all_the_same(
    packed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "SEVERAL_TAGS", 1)
    with Session(packed) as session, session.begin():
        only = [an_image(session, [name]).id for name in ("one", "other", "rest")]
        for name in ("one", "other", "rest"):
            tag_service.delete(session, a_tag(session, name))

    with Session(packed) as session:
        assert found(session, Criteria(untagged=True)) == only[::-1]


def test_packed_links_stay_true_while_four_write_and_two_pack(packed: Engine) -> None:
    names, done = ["all", "two", "three"], Event()

    def write(client: int) -> None:
        random = Random(client)
        for _ in range(60):
            image_id, name = OLD + random.randrange(60), random.choice(names)
            with Session(packed) as session, session.begin():
                random.choice([images.add_tag, images.take_off_tag])(session, image_id, name)

    def pack() -> None:
        while not done.is_set():
            housekeeping.tidy()

    with ThreadPoolExecutor(6) as threads:
        packing_ = [threads.submit(pack) for _ in range(2)]
        for written in [threads.submit(write, client) for client in range(4)]:
            written.result()
        done.set()
        for packer in packing_:
            packer.result()

    with Session(packed) as session:
        truth = {name: set(session.scalars(_images_with(name))) for name in names}
        for required in (["all", "two"], ["two", "three"], names):
            for unwanted in ([], ["three"] if "three" not in required else []):
                ids = set.intersection(*(truth[name] for name in required)).difference(
                    *(truth[each] for each in unwanted)
                )
                criteria = Criteria(exact_tags=tuple(required), exclude_tags=tuple(unwanted))
                by_form = {plan.form: _ids(session, criteria, plan) for plan in _plans(session, criteria)}
                assert Form.INTERSECT in by_form
                assert all(each == sorted(ids, reverse=True) for each in by_form.values())


def _images_with(name: str) -> Select[int]:
    return select(image_tags.c.image_id).join(Tag, Tag.id == image_tags.c.tag_id).where(Tag.name == name)


def _plans(session: Session, criteria: Criteria) -> list[Plan]:
    question = conditions.resolve(session, criteria)
    assert isinstance(question, Question)
    return list(candidates(question, 100))


def _ids(session: Session, criteria: Criteria, plan: Plan) -> list[int]:
    question = conditions.resolve(session, criteria)
    assert isinstance(question, Question)
    return list(session.connection().exec_driver_sql(forms.ids(plan, question, 100), {}).scalars())


def test_only_one_packs_at_a_time(packed: Engine) -> None:
    with Session(packed) as session, session.begin(), Session(packed) as other, other.begin():
        assert packing.is_alone(session)
        assert not packing.is_alone(other)


@contextmanager
def transactions_of_the_product() -> Iterator[list[Connection]]:
    """Yields a list that grows by one with each transaction that the product begins."""
    begun: list[Connection] = []

    def note(connection: Connection) -> None:
        begun.append(connection)

    event.listen(product.engine(), "begin", note)
    yield begun
    event.remove(product.engine(), "begin", note)


def thirty_deleted_tags(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        for number in range(30):
            tag_service.delete(session, a_tag(session, f"gone {number}"))


def test_a_run_that_is_out_of_time_looks_at_no_more_deleted_tags(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    thirty_deleted_tags(committed)
    monkeypatch.setattr(housekeeping, "SECONDS_A_RUN", 0)

    with transactions_of_the_product() as begun:
        housekeeping.tidy()

    assert len(begun) < 30
    with Session(committed) as session:
        assert rows(session, Tag) == 30


def test_deleted_tags_without_a_link_go_together(committed: Engine) -> None:
    thirty_deleted_tags(committed)

    with transactions_of_the_product() as begun:
        housekeeping.tidy()

    assert len(begun) < 30
    with Session(committed) as session:
        assert rows(session, Tag) == 0


def test_many_deleted_tags_leave_time_to_pack(packed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session(packed) as session, session.begin():
        tag_service.delete(session, a_tag(session, "rare"))
        for number in range(0, 60, 5):
            images.add_tag(session, OLD + number, "five")
    monkeypatch.setitem(housekeeping.SHARES, "links", 0)

    housekeeping.tidy()

    with Session(packed) as session:
        five = a_tag(session, "five")
        assert session.scalars(select(packed_tags.c.packed_from).where(packed_tags.c.tag_id == five)).one() == 0
        assert session.scalar(select(Tag.id).where(Tag.name == "rare")) is not None


def test_counts_of_tags_that_are_gone_are_dropped_a_chunk_at_a_time(
    committed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(committed) as session, session.begin():
        session.execute(insert(tag_count_changes), [{"tag_id": -number, "change": 1} for number in range(1, 8)])

    with Session(committed) as session, session.begin():
        assert upkeep.fold_counts(session, upkeep.COUNTED[0], 3) == 3
    with Session(committed) as session:
        assert rows(session, tag_count_changes) == 4
    monkeypatch.setattr(housekeeping, "CHANGES_A_CHUNK", 3)
    housekeeping.tidy()

    with Session(committed) as session:
        assert rows(session, tag_count_changes) == 0


def test_tags_are_looked_at_in_turn_until_the_popular_ones_are_packed(
    packed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(packed) as session, session.begin():
        for number in range(0, 60, 5):
            images.add_tag(session, OLD + number, "five")
    monkeypatch.setattr(housekeeping, "TAGS_LOOKED_AT", 2)
    with Session(packed) as session:
        five = a_tag(session, "five")

    runs = 0
    while runs < 10 and not _is_packed(packed, five):
        housekeeping.tidy()
        runs += 1

    assert 1 < runs < 10


def _is_packed(engine: Engine, tag_id: int) -> bool:
    with Session(engine) as session:
        return session.scalar(select(packed_tags.c.tag_id).where(packed_tags.c.tag_id == tag_id)) is not None
