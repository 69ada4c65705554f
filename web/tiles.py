"""A tile of the grid as HTML: in Python, not in a template, for speed. Twelve are rendered with every letter typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

from web.i18n.language import gettext, number
from web.presenters import Piece, Tile


def tile_link(one: Tile, url: str, picture: str, at_once: bool) -> Markup:
    """The tile as a link to `url`; `picture` is the address of its thumbnail, which is loaded when it comes into view
    unless `at_once`."""
    lazy = "" if at_once else ' loading="lazy"'
    return Markup(  # noqa: S704 - escaped here
        f'<a class="tile {one.shape}" id="p-{escape(one.photo.id)}" href="{escape(url)}">'
        f'<img src="{escape(picture)}" width="{one.width}" height="{one.height}" alt="{escape(one.alt_text)}"'
        f'{lazy} decoding="async">{stack_size(one)}{"".join(_words(one))}</a>\n'
    )


def stack_size(one: Tile) -> Markup:
    """How many photos the tile stands for, if it is more than one."""
    if not one.stacked:
        return Markup("")
    spoken = gettext("%(count)s similar photos", count=one.stacked)
    return Markup(  # noqa: S704 - a text of ours
        f'<span class="stacked"><span aria-hidden="true">{number(one.stacked)}</span>'
        f'<span class="unseen">{spoken}</span></span>'
    )


def highlight(pieces: Iterable[Piece]) -> Markup:
    """Text with what matched in it marked."""
    parts = (f"<mark>{escape(piece.text)}</mark>" if piece.marked else escape(piece.text) for piece in pieces)
    return Markup("".join(parts))  # noqa: S704 - escaped just now


def _words(one: Tile) -> Iterator[str]:
    if not one.caption and not one.reasons:
        return
    yield '<span class="words" aria-hidden="true">'
    if one.caption:
        yield f"<bdi>{highlight(one.caption)}</bdi>"
    if one.doubt:
        yield f'<small class="unsure">{escape(one.doubt)}</small>'
    for reason in one.reasons:
        pieces = f" <bdi>{highlight(reason.pieces)}</bdi>" if reason.pieces else ""
        how = f" · {escape(reason.how)}" if reason.how else ""
        yield f"<small>{escape(reason.field)}{pieces}{how}</small>"
    yield "</span>"
