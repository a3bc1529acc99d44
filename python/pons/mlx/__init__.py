"""Programs written for MLX run on Pons: after `import pons.mlx`, `mlx.core` is `pons.core`.

    import pons.mlx                     # first, before anything that imports MLX
    import mlx.core as mx               # Pons
    import mlx.nn as nn                 # MLX's own Python files, from its wheel (pip install mlx), on Pons

    python -m pons.mlx PROGRAM.py ...   # the same for a program as it is

`mlx` is a namespace package without code of its own: its part `mlx.core` is the extension that Pons stands in for, the others
(`mlx.nn`, `mlx.optimizers`, `mlx.utils`) are Python files that use only `mlx.core`.
"""

import importlib
import sys
import types

import pons.core

_python_parts = ("mlx.nn", "mlx.optimizers", "mlx.utils")


class _WhereMLXIsMissing:
    """The last to be asked for a module: says where MLX's Python files come from if nobody else had them."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in _python_parts:
            raise ModuleNotFoundError(
                f"{name} is one of the Python files of MLX, which are not installed; Pons uses them as they are: pip install mlx",
                name=name,
            )
        return None


def _mlx_package():
    try:
        return importlib.import_module("mlx")
    except ModuleNotFoundError as missing:
        if missing.name != "mlx":
            raise
    package = types.ModuleType("mlx", "Holds mlx.core, which is pons.core; MLX itself is not installed.")
    package.__path__ = []
    sys.modules["mlx"] = package
    return package


def _install():
    present = sys.modules.get("mlx.core")
    if present is pons.core:
        return
    if present is not None:
        raise ImportError(
            f"mlx.core was imported already, from {getattr(present, '__file__', 'somewhere else')}: "
            "import pons.mlx before anything that imports MLX, or run the program by python -m pons.mlx"
        )
    _mlx_package().core = pons.core
    sys.modules["mlx.core"] = pons.core
    for name, module in list(sys.modules.items()):
        if name.startswith("pons.core."):
            sys.modules["mlx" + name.removeprefix("pons")] = module
    sys.meta_path.append(_WhereMLXIsMissing)


_install()
