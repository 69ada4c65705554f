"""The strict JPEG parser."""

from __future__ import annotations

import itertools

import pytest

from indexer.formats.jpeg import EOI, SOI, SOS, JpegError, compose, header_segments, payload, segments
from tests.indexer.formats import jpegs_made as made


@pytest.mark.parametrize("progressive", [False, True])
def test_segments_follow_each_other_without_gaps(progressive: bool) -> None:
    data = made.with_segments(
        made.exif(made.camera_block()), jpeg=made.plain(progressive=progressive), trailer=b"behind"
    )
    found = segments(data)
    assert (found[0].marker, found[-1].marker) == (SOI, EOI)
    assert all(before.end == after.start for before, after in itertools.pairwise(found))
    assert data[found[-1].end :] == b"behind"
    assert header_segments(data) == found[: [segment.marker for segment in found].index(SOS)]


def test_fill_bytes_belong_to_the_segment_they_stand_before() -> None:
    data = made.with_segments(b"\xff\xff\xff" + made.segment(0xFE, b"a comment"))
    comment = next(segment for segment in segments(data) if segment.marker == 0xFE)
    assert data[comment.start : comment.start + 5] == b"\xff\xff\xff\xff\xfe"
    assert payload(data, comment) == b"a comment"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\0",
        b"\xff\xd8\xff\xe0\0\1",
    ],
)
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(JpegError):
        segments(data)


def test_junk_between_segments_is_skipped_and_told() -> None:
    data = made.with_segments(made.exif(made.camera_block()), b"junk\xff\0")
    found = segments(data)
    assert [segment.junk for segment in found if segment.junk] == [6]
    assert all(before.end == after.start for before, after in itertools.pairwise(found))
    assert found[-1].marker == EOI


def test_much_junk_is_refused() -> None:
    with pytest.raises(JpegError, match="no marker at byte"):
        segments(made.with_segments(b"junk" * 2000))


def test_a_file_cut_off_in_its_picture_has_no_eoi() -> None:
    data = made.plain()
    assert segments(data[:-2])[-1].marker == SOS
    assert segments(data[:-2] + data)[-1].marker == SOS  # and another picture after it
    assert segments(data[:-2])[-1].end == len(data) - 2


def test_a_payload_that_does_not_fit_is_refused() -> None:
    assert len(compose(0xE1, b"x" * 65533)) == 65537
    with pytest.raises(JpegError, match="do not fit"):
        compose(0xE1, b"x" * 65534)
