"""The contact sheet: which photos are on it, how they are shown, and what is said of them."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFont

from captioner import Caption, Tag
from captioner.training import contact_sheet
from captioner.training.contact_sheet import (
    Entry,
    choose,
    describe_sheet,
    jpeg,
    may_be_shown,
    selection_rule,
    sentence,
    sheet,
    to_upright_srgb,
    wrap,
)
from indexer.images.colour import adobe_rgb_profile
from tests.bundles_made import copy_that_takes_all_for_photos

CC = "http://creativecommons.org/licenses/{}/2.0/"


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        (CC.format("by"), True),
        (CC.format("by-sa"), True),
        ("https://creativecommons.org/publicdomain/zero/1.0/", True),
        (CC.format("by-nc"), False),
        (CC.format("by-nc-sa"), False),
        (CC.format("by-nd"), False),
        (CC.format("by-nc-nd"), False),
        ("all rights reserved", False),
        ("", False),
    ],
)
def test_only_what_may_be_changed_and_passed_on_is_shown(licence: str, free: bool) -> None:
    assert may_be_shown(licence) is free


def test_the_rule_looks_at_nothing_but_the_file_s_name() -> None:
    names = [f"{i}.jpg" for i in range(50)]
    by_hand = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:7]
    assert choose(names, 7) == by_hand == choose(reversed(names), 7)
    assert choose([f"folder/{name}" for name in names], 7) == [f"folder/{name}" for name in by_hand]


def test_a_photo_is_shown_upright() -> None:
    image, exif = Image.new("RGB", (40, 20)), Image.Exif()
    exif[0x0112] = 6  # turn right to see it upright
    data = io.BytesIO()
    image.save(data, "JPEG", exif=exif)
    assert to_upright_srgb(Image.open(data)).size == (20, 40)


def test_a_photo_is_shown_in_srgb() -> None:
    def opened(profile: bytes) -> np.ndarray:
        data = io.BytesIO()
        Image.new("RGB", (4, 4), (120, 30, 60)).save(data, "PNG", icc_profile=profile)
        return np.asarray(to_upright_srgb(Image.open(data)), np.int16)[0, 0]

    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(opened(plain) - (120, 30, 60)).max() <= 1
    assert opened(b"no profile").tolist() == [120, 30, 60]
    assert opened(adobe_rgb_profile())[0] > 135, "Adobe RGB names a strong red by a smaller number"


def test_long_captions_wrap_and_no_word_is_lost() -> None:
    font = ImageFont.load_default(20)
    text = "A very long caption of a photo, and aWordThatIsLongerThanAnyLineThatThereIs at its end."
    lines = wrap(text, 150, font)
    assert " ".join(lines) == text
    assert len(lines) > 3
    assert all(font.getlength(line) <= 150 for line in lines if " " in line)


def made_entry(text: str, size: tuple[int, int] = (440, 250), tags: int = 3) -> Entry:
    shown = tuple(Tag(f"word{i}", 0.9) for i in range(tags))
    return Entry("a.jpg", Image.new("RGB", size, "red"), Caption(text, 0.5, (*shown, Tag("hidden", 0.2)), None, "m-1"))


def test_a_sheet_grows_with_what_is_written_on_it() -> None:
    short = sheet([made_entry("A dog.")] * 3, "Three photos")
    long = sheet([made_entry("A dog " * 40, tags=12)] * 3, "Three photos")
    assert short.width == long.width
    assert long.height > short.height + 400
    assert sheet([made_entry("", (200, 330), tags=0)], "One").getpixel((20 + 220, 200)) == (255, 0, 0)


def test_tags_that_are_not_sure_are_not_shown() -> None:
    assert "hidden" not in made_entry("A dog.").tags


def made_caption(text: str, sure: bool = True) -> Caption:
    return Caption(text, 0.5, (Tag("dog", 0.9),), None, "m-1", sure=sure)


def test_what_is_not_sure_is_marked_and_what_is_empty_is_told() -> None:
    assert sentence(made_caption("A dog.")) == "A dog."
    assert sentence(made_caption("A dog.", sure=False)) == "A dog. (not sure)"
    assert sentence(made_caption("", sure=False)) == "(nothing said)"


def test_the_older_sentence_stands_under_the_new_one() -> None:
    photo, older = Image.new("RGB", (440, 250)), Caption("A cat.", 0.25, (), None, "m-0", sure=False)
    found = [Entry("a.jpg", photo, made_caption("A dog."), older), Entry("b.jpg", photo, made_caption(""), older)]
    heading = selection_rule(found, licensed=False)
    assert heading.startswith("m-1: 2 photos")
    assert heading.endswith("Before: what m-0 says.")
    assert describe_sheet(found, heading, {}, "").splitlines()[3:] == [
        "1. A dog. (confidence 0.50; dog 0.90)",
        "   before: A cat. (not sure) confidence 0.25",
        "   a.jpg",
        "2. (nothing said) (dog 0.90)",
        "   before: A cat. (not sure) confidence 0.25",
        "   b.jpg",
    ]
    alone = [Entry(entry.name, entry.photo, entry.caption) for entry in found]
    assert "efore" not in describe_sheet(alone, selection_rule(alone, licensed=False), {}, "")
    assert sheet(found, "Two").height > sheet(alone, "Two").height


def test_a_jpeg_is_as_small_as_asked_for() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8).astype(np.uint8))
    assert len(jpeg(noise, 60_000)) <= 60_000 < len(jpeg(noise, 10**9))
    with pytest.raises(ValueError, match="take fewer photos"):
        jpeg(noise, 1000)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rows = []
    for i in range(6):
        Image.new("RGB", (120, 90), (40 * i, 90, 200)).save(tmp_path / f"{i}.jpg")
        rows.append(json.dumps({"image": f"{i}.jpg", "licence": CC.format("by" if i % 2 else "by-nc")}))
    (tmp_path / "captions.jsonl").write_text("\n".join(rows))
    return tmp_path


def test_the_program_writes_a_sheet_and_its_words(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = photos / "out" / "sheet.jpg"
    out.parent.mkdir()
    contact_sheet.main(["--photos", str(photos), "--out", str(out), "--licences", str(photos / "captions.jsonl"),
                        "--source", "https://example.org/{name}", "--most-kb", "100"])  # fmt: skip
    said = capsys.readouterr().out
    assert said == out.with_suffix(".txt").read_text(encoding="utf-8")
    assert "3 photos, chosen by rule" in said
    for name in ("1.jpg", "3.jpg", "5.jpg"):
        assert f"https://example.org/{name} {CC.format('by')}\n" in said
    assert "0.jpg" not in said
    assert out.stat().st_size <= 100_000
    with Image.open(out) as picture:
        assert picture.format == "JPEG"


def test_the_program_shows_an_older_bundle_as_well(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(copy_that_takes_all_for_photos(photos / "bundle"))
    contact_sheet.main(["--photos", str(photos), "--out", str(photos / "sheet.jpg"), "--count", "2",
                        "--bundle", bundle, "--before", bundle])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()[3:]
    for new, old in ((lines[0], lines[1]), (lines[3], lines[4])):
        said = new.split(". ", 1)[1].split(" (confidence")[0]
        assert old.startswith(f"   before: {said} confidence 0."), "it is the same bundle"


def test_nothing_to_show_is_an_error(photos: Path) -> None:
    (photos / "captions.jsonl").write_text('{"image": "0.jpg", "licence": "mine"}\n')
    with pytest.raises(ValueError, match="no photo that may be shown"):
        contact_sheet.main(["--photos", str(photos), "--out", str(photos / "sheet.jpg"),
                            "--licences", str(photos / "captions.jsonl")])  # fmt: skip
