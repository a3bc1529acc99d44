"""The interface is MLX's: every name of mlx_interface.tsv is in the module, with the same parameters, as its stubs have them."""

import inspect
import pathlib

import interface
import pons.core
import pytest

root = pathlib.Path(__file__).parents[2]
ours = {}
for name, what, text in interface.interface(root / "python/pons/core"):
    ours.setdefault(name, []).append((what, text))

# Where a signature of ours is not MLX's word for word, and why programs do not see it.
differs = {
    "var": "MLX's stub leaves out correction, which the function takes",
    "std": "MLX's stub leaves out correction, which the function takes",
    "save_gguf": "metadata may be left out, as MLX's docstring says",
    "arange": "MLX has a signature per count of arguments; here one, whose body tells them apart",
    "matrix_norm": "an alias that MLX's stub shows as a constant",
}


def signature(text):
    namespace = {}
    exec(f"def f{text}: ...", {"inf": float("inf"), "float32": "float32", "int32": "int32", "bfloat16": "bfloat16"}, namespace)
    return inspect.signature(namespace["f"])


def takes_what(mlx, our):
    """Whether every call that fits MLX's parameters fits ours: those that we have more are optional and behind."""
    ours_by_name, place = our.parameters, list(our.parameters)
    kinds = inspect.Parameter
    for i, (name, theirs) in enumerate(mlx.parameters.items()):
        own = ours_by_name.get(name)
        if own is None or (theirs.default is not kinds.empty and own.default != theirs.default):
            return False
        if theirs.kind is kinds.KEYWORD_ONLY and own.kind is kinds.POSITIONAL_ONLY:
            return False
        if theirs.kind is not kinds.KEYWORD_ONLY and (place.index(name) != i or own.kind is kinds.KEYWORD_ONLY):
            return False
        if theirs.kind is kinds.POSITIONAL_OR_KEYWORD and own.kind is not kinds.POSITIONAL_OR_KEYWORD:
            return False
    more = [p for name, p in ours_by_name.items() if name not in mlx.parameters]
    return all(p.default is not kinds.empty or p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) for p in more)


def test_every_name_of_mlx_is_there():
    def found(name):
        value = pons.core
        for part in name.split("."):
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True

    # DLPackCompatible is for type checkers alone, MLX's random.__getattr__ gives random.state, and what an enumeration inherits
    # stands in no stub of ours.
    names = {name for name, _, _ in interface.stored() if not name.startswith("DLPackCompatible")} - {"random.__getattr__"}
    names.add("random.state")
    assert not [name for name in names if not found(name)]
    assert names - set(ours) == {"DeviceType.__eq__"}


@pytest.mark.parametrize("name, what, text", [pytest.param(*row, id=row[0]) for row in interface.stored() if "__" not in row[0]])
def test_parameters_are_those_of_mlx(name, what, text):
    if name in differs:
        assert name in ours
    elif what in ("function", "method"):
        assert any(w == what and (t == text or takes_what(signature(text), signature(t))) for w, t in ours[name]), (
            f"MLX: {name}{text}\nhere: {ours[name]}"
        )
    else:
        assert what in [w for w, _ in ours[name]]


def test_a_parameter_that_is_missing_or_elsewhere_is_seen():
    mlx = signature("(a, /, axis=None, *, stream=None)")
    assert takes_what(mlx, signature("(a, /, axis=None, more=1, *, stream=None)"))
    assert takes_what(mlx, signature("(a, axis=None, stream=None)"))
    for wrong in "(a, /, *, axis=None, stream=None)", "(a, /, axis=0, *, stream=None)", "(a, /, x, axis=None, *, stream=None)", "(a, /, axis=None)":
        assert not takes_what(mlx, signature(wrong)), wrong


@pytest.mark.skipif(interface.of_mlx() is None, reason="MLX's wheel is not installed")
def test_the_stored_interface_is_that_of_the_wheel():
    assert interface.stored() == [row for row in interface.of_mlx()]
