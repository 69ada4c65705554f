"""Dates in the names of files, and numbers that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.metadata.name_dates import date_in_name
from tests.indexer.metadata.test_date_text import told


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG-20190101-WA0001.jpg", "2019-01-01"),
        ("IMG-20190101-WA0001(1).jpg", "2019-01-01"),
        ("WhatsApp Image 2020-08-31 at 15.41.14.jpeg", "2020-08-31T15:41:14"),
        ("WhatsApp Image 2020-08-31 at 3.41.14 PM (1).jpeg", "2020-08-31T15:41:14"),
        ("WhatsApp Image 2020-08-31 at 3.41.14\u202fPM.jpeg", "2020-08-31T15:41:14"),
        ("WhatsApp Bild 2020-08-31 um 15.41.14.jpeg", "2020-08-31T15:41:14"),
        ("00000012-PHOTO-2019-01-01-12-00-00.jpg", "2019-01-01T12:00:00"),
        ("PHOTO-2020-08-31-15-41-14.jpg", "2020-08-31T15:41:14"),
        ("PXL_20221105_120000123.jpg", "2022-11-05T12:00:00.123000+00:00"),
        ("PXL_20221105_120000123.MP.jpg", "2022-11-05T12:00:00.123000+00:00"),
        ("Screenshot_20210304-101112.jpg", "2021-03-04T10:11:12"),
        ("Screenshot_20210304-101112_WhatsApp.jpg", "2021-03-04T10:11:12"),
        ("Screenshot_2020-01-01-12-00-00-123_com.app.png", "2020-01-01T12:00:00.123000"),
        ("Screenshot 2020-01-01 at 12.00.00.png", "2020-01-01T12:00:00"),
        ("Screenshot 2020-01-01 at 1.00.00 PM.png", "2020-01-01T13:00:00"),
        ("Screen Shot 2020-01-01 at 12.00.00.png", "2020-01-01T12:00:00"),
        ("Bildschirmfoto 2020-01-01 um 12.00.00.png", "2020-01-01T12:00:00"),
        ("Screenshot from 2020-01-01 12-00-00.png", "2020-01-01T12:00:00"),
        ("Screenshot 2023-05-12 153045.png", "2023-05-12T15:30:45"),
        ("signal-2020-01-01-120000.jpg", "2020-01-01T12:00:00"),
        ("signal-2020-01-01-12-00-00-123-1.jpg", "2020-01-01T12:00:00.123000"),
        ("VID_20190101_120000.jpg", "2019-01-01T12:00:00"),
        ("20190101_120000.jpg", "2019-01-01T12:00:00"),
        ("20190101_120000(0).jpg", "2019-01-01T12:00:00"),
        ("20190101_120000_001.jpg", "2019-01-01T12:00:00"),
        ("IMG_20190101_120000_HDR.jpg", "2019-01-01T12:00:00"),
        ("IMG20190101120000.jpg", "2019-01-01T12:00:00"),
        ("MVIMG_20190101_120000.jpg", "2019-01-01T12:00:00"),
        ("BURST20190101120000.jpg", "2019-01-01T12:00:00"),
        ("WIN_20190101_12_00_00_Pro.jpg", "2019-01-01T12:00:00"),
        ("WP_20130101_001.jpg", "2013-01-01"),
        ("P_20190101_120000.jpg", "2019-01-01T12:00:00"),
        ("C360_2013-01-01-12-00-00-123.jpg", "2013-01-01T12:00:00.123000"),
        ("DJI_20230101120000_0001_D.jpg", "2023-01-01T12:00:00"),
        ("photo_2020-01-01_12-00-00.jpg", "2020-01-01T12:00:00"),
        ("photo_5@31-12-2020_12-00-00.jpg", "2020-12-31T12:00:00"),
        ("viber_image_2019-01-01_12-00-00-123.jpg", "2019-01-01T12:00:00.123000"),
        ("viber image 2019-01-01 , 12.00.00.jpg", "2019-01-01T12:00:00"),
        ("FB_IMG_1546300800000.jpg", "2019-01-01T00:00:00+00:00"),
        ("mmexport1546300800000.jpg", "2019-01-01T00:00:00+00:00"),
        ("1546300800000.jpg", "2019-01-01T00:00:00+00:00"),
        ("1546300800000 (1).jpg", "2019-01-01T00:00:00+00:00"),
        ("2019-01-01 12.00.00-1.jpg", "2019-01-01T12:00:00"),
        ("Photo on 2019-01-01 at 12.00.jpg", "2019-01-01T12:00:00"),
        ("2019-01-01.jpg", "2019-01-01"),
        ("20190101 birthday.jpg", "2019-01-01"),
        ("1954-06-07 Oma.jpg", "1954-06-07"),
        ("IMG_20190101_120000-bearbeitet.jpg", "2019-01-01T12:00:00"),
        ("IMG_20190101_250000.jpg", "2019-01-01"),
    ],
)
def test_names_that_hold_a_date(name: str, expected: str) -> None:
    assert told(date_in_name(name)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1234.jpg",
        "IMG_2019.jpg",
        "2019.jpg",
        "DSC_20190101.jpg",
        "DSC20190.jpg",
        "P1010001.JPG",
        "S__20190102.jpg",
        "20150412345_abc.jpg",
        "20150412_9c1b2d3e4f_o.jpg",
        "20150412_10152345678901_123456_n.jpg",
        "10154201505121234567.jpg",
        "received_10154201505121.jpeg",
        "4006381333931.jpg",
        "20190101999999.jpg",
        "IMG_20190230.jpg",
        "IMG_20191301_120000.jpg",
        "2019-02-30 12.00.00.jpg",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301.jpg",
        "Snapchat-1234567890.jpg",
        "Screenshot (12).png",
        "Scan_20190101.jpg",
        "scan 2019-01-01 12.00.00.jpg",
        "",
        ".jpg",
    ],
)
def test_numbers_that_are_no_date(name: str) -> None:
    assert date_in_name(name) is None


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_no_name_does_harm(name: str) -> None:
    date_in_name(name + ".jpg")
