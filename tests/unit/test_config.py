from collections.abc import Iterator

import pytest

from chalicelib.config import SettingsError, settings


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
