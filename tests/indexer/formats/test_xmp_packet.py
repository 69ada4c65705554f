"""Splicing our rdf:Description into XMP packets."""

from __future__ import annotations

import pytest

from indexer.formats.xmp_packet import (
    can_describe,
    captions,
    compose_packet,
    own_fields,
    read_mark,
    splice,
    strip_caption,
)
from indexer.formats.xmp_tree import XmpError, parse
from indexer.ownership.mark import OwnCaption
from tests.indexer.formats import jpegs_made as made

OWN = OwnCaption.of(made.CAPTION, before="0" * 64)
DIGESTS = frozenset({OWN.mark.digest})
DTD = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">&a;</rdf:RDF>'

PACKETS = {
    "plain": made.packet(),
    "padding": made.packet(padding=4000),
    "little padding": made.packet(padding=300),
    "read-only": made.packet(padding=3000, writable=False),
    "trailing zeros": made.packet(padding=300) + b"\0" * 7,
    "no packet wrapper": made.packet().split(b"?>\n", 1)[1].rsplit(b"<?xpacket", 1)[0],
    "about": made.packet(about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b"),
    "comment that lies": made.packet("<!-- <rdf:Description rdf:about='liar'/> -->"),
    "words in other fields": made.packet(
        "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>T</rdf:li></rdf:Alt></dc:title>"
    ),
}


@pytest.mark.parametrize("name", PACKETS)
def test_splice_says_the_caption_and_undo_is_exact(name: str) -> None:
    packet = PACKETS[name]
    spliced = splice(packet, OWN)
    parsed = parse(spliced)
    assert [text.text for text in captions(parsed)] == [OWN.text]
    assert read_mark(parsed) == OWN.mark
    stripped = strip_caption(spliced, DIGESTS)
    assert stripped.data == packet
    assert stripped.exact


def test_every_description_is_about_the_same_thing() -> None:
    spliced = splice(PACKETS["about"], OWN)
    assert spliced.count(b'rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b"') == 2


def test_padding_is_eaten() -> None:
    assert abs(len(splice(PACKETS["padding"], OWN)) - len(PACKETS["padding"])) < 64


def test_a_packet_of_our_own_undoes_to_nothing() -> None:
    stripped = strip_caption(compose_packet(OWN), DIGESTS)
    assert stripped.data is None
    assert stripped.exact


def test_beside_an_empty_description_only_the_mark_is_written() -> None:
    packet = made.packet(made.described(""))
    assert not can_describe(packet)
    spliced = splice(packet, OWN)
    assert spliced.count(b"<dc:description") == 1
    assert read_mark(parse(spliced)) == OWN.mark
    assert strip_caption(spliced, DIGESTS).data == packet


def test_rewritten_properties_are_taken_out_and_everything_else_stays() -> None:
    """As Adobe's toolkit writes: one rdf:Description with simple properties as attributes."""
    fields = " ".join(f'r:{name}="{value}"' for name, value in OWN.mark.fields().items())
    packet = made.packet(made.described("a dog runs along the beach &amp; jumps &lt;high&gt; über Wellen")).replace(
        b'xmp:Rating="3"', f'xmp:Rating="3" xmlns:r="urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#" {fields}'.encode()
    )
    assert read_mark(parse(packet)) == OWN.mark
    stripped = strip_caption(packet, DIGESTS)
    assert stripped.data is not None
    assert not stripped.exact
    parsed = parse(stripped.data)
    assert (own_fields(parsed), captions(parsed)) == ({}, [])
    assert b'xmp:Rating="3"' in stripped.data


def test_a_description_that_a_person_changed_stays() -> None:
    packet = splice(made.packet(), OWN).replace(b"a dog runs", b"Rex runs")
    stripped = strip_caption(packet, DIGESTS)
    assert stripped.data is not None
    parsed = parse(stripped.data)
    assert [text.text.split()[0] for text in captions(parsed)] == ["Rex"]
    assert own_fields(parsed) == {}


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"not XML",
        made.packet()[:-80],
        made.packet().replace(b"</rdf:RDF>", b"</rdf:RDF ><!-- </rdf:RDF> -->"),
        made.packet("<!-- </rdf:RDF> -->"),
        made.packet().decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="latin-1"?>' + PACKETS["no packet wrapper"],
        DTD,
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
        b"<a>" * 500 + b"</a>" * 500,
        b"<rdf:RDF xmlns:rdf='urn:other'></rdf:RDF>",
        splice(made.packet(), OWN),
    ],
)
def test_a_packet_of_another_form_is_refused(packet: bytes) -> None:
    with pytest.raises(XmpError):
        splice(packet, OWN)


def test_a_damaged_undo_note_is_no_more_than_inexact() -> None:
    spliced = splice(PACKETS["padding"], OWN)
    start = spliced.index(b'recollect:captionUndo="') + 37
    for note in (b"@@@@", b"AAAA", b"////"):
        stripped = strip_caption(spliced[:start] + note + spliced[start + 4 :], DIGESTS)
        assert not stripped.exact
        assert stripped.data is not None
        assert own_fields(parse(stripped.data)) == {}
