"""XMP sidecars: `IMG_1234.JPG.xmp`, beside the photo or in a tree of their own."""

from __future__ import annotations

from pathlib import Path


def sidecar_path(path: Path, sidecar_dir: Path | None = None) -> Path:
    """Where a photo's sidecar is written: beside it, or below `sidecar_dir` at the photo's own absolute path."""
    name = path.name + ".xmp"
    if sidecar_dir is None:
        return path.with_name(name)
    folder = path.parent.absolute()
    return sidecar_dir / folder.relative_to(folder.anchor) / name


def sidecars_of(path: Path, sidecar_dir: Path | None = None) -> tuple[Path, ...]:
    """Every place where a sidecar of this photo may lie, ours first: `A.JPG.xmp`, `A.xmp`, and in the tree."""
    places = [sidecar_path(path), path.with_suffix(".xmp")]
    if sidecar_dir is not None:
        places.append(sidecar_path(path, sidecar_dir))
    return tuple(places)
