"""Stands in front of MLX's extension on the path of Python programs that a program under `python -m pons.mlx` starts."""

import sys

del sys.modules[__name__]
import pons.mlx  # noqa: E402, F401  puts pons.core in this place
