"""Pons: arrays, their transforms, and programs that run everywhere.

`pons.core` has the interface of `mlx.core`; `python -m pons.mlx PROGRAM.py` runs programs written for MLX on it.
"""

from pons.core import _pons_version as __version__

__all__ = ["__version__", "core"]
