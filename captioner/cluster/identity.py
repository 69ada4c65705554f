"""What has to be the same on two machines so that their captions are the same, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from captioner import DEFAULT_BUNDLE, BundleError
from captioner.inference.manifest import MANIFEST, Manifest

#: The code and tables that make a caption of pixels.
_CODE = Path(__file__).resolve().parents[1] / "inference"
_PACKAGES = ("ai-edge-litert", "numpy")
_SHOWN_HEX = 12


@dataclass(frozen=True, slots=True)
class CaptionerIdentity:
    """Of one captioner. `packages` are the versions of what computes."""

    model: str  # e.g. "recollect-lite-3"
    bundle: str  # SHA-256 of the manifest, which has that of every file of the bundle
    code: str  # SHA-256 of captioner.inference
    packages: Mapping[str, str]

    @classmethod
    def of(cls, bundle: Path = DEFAULT_BUNDLE) -> CaptionerIdentity:
        """The identity of a captioner with this bundle on this machine. Raises `BundleError`."""
        manifest = Manifest.read(bundle)
        try:
            digest = hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()
        except OSError as error:
            raise BundleError(f"{bundle / MANIFEST} can't be read: {error.strerror}") from error
        return cls(manifest.model, digest, _code_digest(), {name: _version(name) for name in _PACKAGES})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CaptionerIdentity:
        """The reverse of `dataclasses.asdict`. Raises `KeyError`, `TypeError` or `ValueError`."""
        packages = {str(name): str(number) for name, number in values["packages"].items()}
        return cls(str(values["model"]), str(values["bundle"]), str(values["code"]), packages)

    def difference(self, other: CaptionerIdentity) -> str:
        """Why captions of `other` may differ from this one's; "" where they can't."""
        if other.bundle != self.bundle:
            names = (self.model, other.model)
            same_name = f", though both are called {self.model}" if len(set(names)) == 1 else ""
            return (
                f"it has the caption model {other.model} ({other.bundle[:_SHOWN_HEX]}), and here it is "
                f"{self.model} ({self.bundle[:_SHOWN_HEX]}){same_name}: give both the same bundle"
            )
        if other.code != self.code:
            return "it runs another version of recollect: upgrade both to the same one"
        for name, number in self.packages.items():
            if (found := other.packages.get(name)) != number:
                return f"it has {name} {found}, and here it is {number}: install both from the same lock file"
        return ""


def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_CODE.iterdir()):
        if path.suffix in {".py", ".txt"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
