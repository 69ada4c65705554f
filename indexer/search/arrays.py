"""The kinds of numpy arrays that searching handles, each with one entry per photo or per word unless said otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
