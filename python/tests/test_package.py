"""The package as it is imported: the extension is the module, and says which library it runs on."""

import pons
import pons.core


def test_core_is_the_extension():
    assert pons.core.__file__.endswith("core.abi3.so")
    assert pons.core.__name__ == "pons.core"


def test_version_is_a_release():
    assert pons.core.__version__.count(".") == 2
