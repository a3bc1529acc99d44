"""The package as it is imported: the extension is the module, and says which library it runs on."""

import os
import pathlib
import re
import subprocess
import sys

import pons
import pons.core

root = pathlib.Path(__file__).parents[2]


def test_core_is_the_extension():
    assert pons.core.__file__.endswith("core.abi3.so")
    assert pons.core.__name__ == "pons.core"


def test_version_is_that_of_the_build():
    assert pons.__version__ == re.search(r"project\(pons VERSION (\S+)", (root / "CMakeLists.txt").read_text())[1]


def test_version_of_the_interface_is_that_of_mlx():
    # Programs written for MLX ask mlx.core for it.
    assert pons.core.__version__ == "0.32.4"


def test_a_device_that_is_not_there_is_an_error():
    done = subprocess.run([sys.executable, "-c", "import pons.core"], capture_output=True, text=True, env={**os.environ, "PONS_DEVICE": "abacus"})
    assert done.returncode != 0 and "PONS_DEVICE: no such device: 'abacus'" in done.stderr
