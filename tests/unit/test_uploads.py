import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aws.storage import SINGLE_PUT_BYTES, content_disposition
from chalicelib.services.limits import MAX_PARTS
from chalicelib.services.multipart import part_sizes
from chalicelib.services.uploads import is_later

HEX = st.text(alphabet="0123456789ABCDEF", min_size=1, max_size=18)


@given(st.integers(min_value=1, max_value=5 * 1024**4))
def test_the_parts_of_a_multipart_upload_make_up_the_file_within_the_limits_of_s3(size: int) -> None:
    sizes = part_sizes(size)

    assert sum(sizes) == size
    assert len(sizes) <= MAX_PARTS
    assert max(sizes) <= SINGLE_PUT_BYTES
    assert all(part >= 5 * 1024**2 for part in sizes[:-1])


@given(earlier=HEX, later=HEX)
@example(earlier="0A", later="0A")
@example(earlier="0A", later="0A0")
@example(earlier="0a", later="0B")
def test_sequencers_compare_as_hex_padded_with_zeros_on_the_right(earlier: str, later: str) -> None:
    assert is_later(later, earlier) == (int(later.ljust(18, "0"), 16) > int(earlier.ljust(18, "0"), 16))


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("chest.dcm", "attachment; filename=\"chest.dcm\"; filename*=UTF-8''chest.dcm"),
        ('a "b" 100%.png', "attachment; filename=\"a _b_ 100_.png\"; filename*=UTF-8''a%20%22b%22%20100%25.png"),
        ("Größe 🫁.dcm", "attachment; filename=\"Gr__e _.dcm\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%F0%9F%AB%81.dcm"),
    ],
)
def test_a_download_keeps_its_filename(filename: str, expected: str) -> None:
    assert content_disposition(filename) == expected
