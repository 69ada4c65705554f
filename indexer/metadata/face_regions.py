"""The faces that files name, in the upright picture."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.face_box import FaceBox, FaceRegion
from indexer.formats.charsets import clean_text
from indexer.formats.xmp_regions import MOST_REGIONS, XmpRegion


def upright_regions(
    regions: Iterable[XmpRegion], *, orientation: int, size: tuple[int, int], stored_upright: bool = False
) -> tuple[FaceRegion, ...]:
    """Regions as files give them, each name and place once.

    `orientation` is EXIF's (1..8), `size` that of the upright picture. A region is relative to the picture as it is
    stored; some programs write it relative to the upright one, which the size that they say tells. `stored_upright`:
    the picture is stored upright whatever its orientation says (HEIF).
    """
    found: dict[FaceRegion, None] = {}
    for region in regions:
        name = clean_text(region.name)
        if name is None:
            continue
        turned = FaceBox(region.left, region.top, region.width, region.height)
        if not _is_upright(region, orientation, size, stored_upright=stored_upright):
            turned = turn(turned, orientation)
        found.setdefault(FaceRegion(name, turned))
    return tuple(found)[:MOST_REGIONS]


def _is_upright(region: XmpRegion, orientation: int, size: tuple[int, int], *, stored_upright: bool) -> bool:
    if region.applied_to is None or orientation < 5 or size[0] == size[1]:
        return stored_upright
    lies, should_lie = region.applied_to[0] > region.applied_to[1], size[0] > size[1]
    return lies == should_lie


def turn_back(box: FaceBox, orientation: int) -> FaceBox:
    """A box in the upright picture, in the picture as it is stored: the reverse of `turn`."""
    return turn(box, {6: 8, 8: 6}.get(orientation, orientation))


def turn(box: FaceBox, orientation: int) -> FaceBox:
    """A box in the picture as it is stored, in the upright one (EXIF 2.32, 4.6.4, Orientation)."""
    left, top, width, height = box.left, box.top, box.width, box.height
    right, bottom = 1 - left - width, 1 - top - height
    if orientation >= 5:  # rows are columns
        across = left if orientation in {5, 6} else right
        down = top if orientation in {5, 8} else bottom
        return FaceBox(down, across, height, width)
    return FaceBox(right if orientation in {2, 3} else left, bottom if orientation in {3, 4} else top, width, height)
