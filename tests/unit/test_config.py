from collections.abc import Iterator

import pytest

from chalicelib.config import Settings, SettingsError, settings
from tests.conftest import ROOT


@pytest.fixture
def _fresh_settings() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.usefixtures("_fresh_settings")
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGE_BUCKET")
    monkeypatch.setenv("DOWNLOAD_URL_SECONDS", "soon")

    with pytest.raises(SettingsError, match=r"IMAGE_BUCKET: Field required.*DOWNLOAD_URL_SECONDS: "):
        settings()


@pytest.mark.usefixtures("_fresh_settings")
def test_keywords_to_index_are_given_with_commas_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Modality" in settings().indexed_attributes

    for given, keywords in (("Rows, Columns,", ("Rows", "Columns")), ("", ())):
        settings.cache_clear()
        monkeypatch.setenv("INDEXED_ATTRIBUTES", given)
        assert settings().indexed_attributes == keywords
    settings.cache_clear()
    monkeypatch.setenv("INDEXED_ATTRIBUTES", "Rows,0010-0020")
    with pytest.raises(SettingsError, match="INDEXED_ATTRIBUTES"):
        settings()


@pytest.mark.usefixtures("_fresh_settings")
def test_a_secret_is_not_shown_by_an_error_nor_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:hunter2@db/tim")
    assert "hunter2" not in repr(settings())

    settings.cache_clear()
    monkeypatch.setenv("DEFAULT_ROLE", "hunter2")

    with pytest.raises(SettingsError) as refusal:
        settings()
    assert "hunter2" not in str(refusal.value)


BOUNDS: dict[str, tuple[list[str], list[str]]] = {
    "database_url": (["postgresql+psycopg2://ann@db/tim"], [""]),
    "image_bucket": (["tim-images.example", "abc"], ["ab", "Images", "-images", "a" * 64, "images/2026"]),
    "access_log_table": (["tim_access.log-1"], ["ab", "a b c", "a" * 256]),
    "user_pool_arn": (["arn:aws:cognito-idp:eu-central-1:000000000000:userpool/eu-central-1_a"], [""]),
    "denied_callers": (
        ["", "3n4b5urk1ft4fl3mg5e62d9ado, 5f1b7c1e-0d5c-4a53-9f0a-3a8f2f7a9c11"],
        ["a b", "a" * 129, ",".join(["a"] * 101)],
    ),
    "default_role": (["viewers", "none"], ["viewer", "", "Admins"]),
    "allowed_origin": (
        ["*", "https://app.example", "http://localhost:5173"],
        ["https://app.example/", "app.example", ""],
    ),
    "problem_type_base": (["https://x.example/problems/", "http://127.0.0.1/errors#"], ["https://x.example", "x/", ""]),
    "upload_url_seconds": (["1", "604800"], ["0", "604801", "-1", "1.5", "soon", ""]),
    "download_url_seconds": (["1", "604800"], ["0", "604801", "-1", "1.5", "soon", ""]),
    "access_log_days": (["1", "36500"], ["0", "36501", "ever"]),
    "bin_days": (["1", "36500"], ["0", "36501", "-30"]),
    "abandoned_days": (["1", "36500"], ["0", "36501"]),
    "orphan_hours": (["1", "876000"], ["0", "876001"]),
    "purge_limit": (["1", "100000"], ["0", "100001", "-1"]),
    "inspection_queue": (["https://sqs.eu-central-1.amazonaws.com/0/inspections", ""], ["inspections", "ftp://queue"]),
    "reject_unknown_files": (["true", "false"], ["maybe", ""]),
    "study_date": (["day", "none"], ["hour", ""]),
    "series_description": (["true", "false"], ["maybe", ""]),
    "extra_attributes": (["", "EchoNumbers, StackID"], ["0018-0086", "A" * 65, "a b", ",".join(["A"] * 101)]),
    "identifying_attributes": (["", "PatientID,PatientAge"], ["0010-0020", "A" * 65, "a b", ",".join(["A"] * 101)]),
    "auto_tags": (["", "{Modality} of {Rows}|all"], ["{Modality", "Modality}", "{}", "{a b}", "a" * 10_001]),
    "identifier_key": (["k" * 16], ["", "k" * 15]),
    "statement_timeout_seconds": (["1", "28"], ["0", "29", "-1"]),
    "search_timeout_seconds": (["1", "28"], ["0", "29", "-1"]),
    "count_timeout_milliseconds": (["1", "23999"], ["0", "28001", "-1"]),
    "indexed_attributes": (["", "Rows"], ["0028-0010", "A" * 65, ",".join(["A"] * 101)]),
}
"""Of each setting: values that are taken, the least and the greatest among them, and values that are refused."""


def test_every_setting_has_its_bounds_in_the_table_and_in_the_guide() -> None:
    guide = (ROOT / "design-docs/guides/operating.md").read_text()

    assert BOUNDS.keys() == Settings.model_fields.keys()
    assert [name for name in BOUNDS if f"| `{name.upper()}` |" not in guide] == []


@pytest.mark.usefixtures("_fresh_settings")
@pytest.mark.parametrize("name", BOUNDS)
def test_a_setting_takes_what_is_within_its_bounds_and_names_itself_beyond(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    good, bad = BOUNDS[name]
    for value in good:
        settings.cache_clear()
        monkeypatch.setenv(name.upper(), value)
        settings()
    for value in bad:
        settings.cache_clear()
        monkeypatch.setenv(name.upper(), value)
        with pytest.raises(SettingsError, match=rf"^The environment is not set up: {name.upper()}: "):
            settings()


@pytest.mark.usefixtures("_fresh_settings")
def test_an_image_is_not_abandoned_while_its_upload_url_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOAD_URL_SECONDS", "604800")
    monkeypatch.setenv("ABANDONED_DAYS", "6")

    with pytest.raises(SettingsError, match="ABANDONED_DAYS must not be shorter than UPLOAD_URL_SECONDS"):
        settings()


@pytest.mark.usefixtures("_fresh_settings")
@pytest.mark.parametrize(
    ("search", "count", "fits"), [("28", "999", True), ("28", "1000", False), ("5", "24000", False)]
)
def test_a_search_and_its_count_together_end_before_the_gateway_gives_up(
    monkeypatch: pytest.MonkeyPatch, search: str, count: str, *, fits: bool
) -> None:
    monkeypatch.setenv("SEARCH_TIMEOUT_SECONDS", search)
    monkeypatch.setenv("COUNT_TIMEOUT_MILLISECONDS", count)

    if fits:
        assert settings().search_timeout_seconds == int(search)
    else:
        with pytest.raises(SettingsError, match="SEARCH_TIMEOUT_SECONDS and COUNT_TIMEOUT_MILLISECONDS together"):
            settings()
