"""How alike pictures are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]


def psnr(ones: Sequence[Picture], others: Sequence[Picture]) -> float:
    """The least PSNR in dB of any pair of pictures of one shape; 108 where all are the same."""
    errors = (
        float(np.mean((one.astype(float) - other) ** 2))
        for one, other in zip(ones, others, strict=True)
    )
    return float(10 * np.log10(255**2 / max(*errors, 1e-6)))
