"""Functions in files: what is written, told, read again, and how they are called."""

import io

import pons.core as mx
import pytest


def test_a_function_goes_through_a_file(tmp_path):
    path = str(tmp_path / "f.mlxfn")
    x, y = mx.ones((2, 3)), mx.full((2, 3), 2.0)
    mx.export_function(path, lambda x, *, k, a: (mx.multiply(x, k), mx.add(x, a)), x, k=y, a=x, metadata="about f")
    f, text = mx.import_function(path, return_metadata=True)
    assert text == "about f"
    for out in (f(x, k=y, a=x), f((x,), {"a": x, "k": y}), f(x, a=x, k=y)):
        assert len(out) == 2 and mx.array_equal(out[0], y).item() and mx.array_equal(out[1], y).item()
    with pytest.raises(ValueError, match="a single tuple and/or dictionary of arrays"):
        f(1, 2, 3)
    with pytest.raises(ValueError):
        f(x)


def test_an_exporter_writes_several_traces(tmp_path):
    path = str(tmp_path / "f.mlxfn")
    x = mx.ones((2,))

    def fun(*args):
        total = args[0]
        for a in args[1:]:
            total = mx.add(total, a)
        return [total]

    with mx.exporter(path, fun) as export:
        export(x)
        export(x, x)
        export((x, x, x))
    f = mx.import_function(path)
    for n in (1, 2, 3):
        assert f(*[x] * n)[0].tolist() == [n, n]
    with pytest.raises(RuntimeError, match="closed"):
        export(x)


def test_shapeless_files_take_other_shapes(tmp_path):
    path = str(tmp_path / "f.mlxfn")
    mx.export_function(path, lambda x: mx.sum(mx.exp(x), axis=-1), mx.zeros((2, 3)), shapeless=True)
    assert mx.import_function(path)(mx.zeros((4, 5)))[0].tolist() == [5.0] * 4


def test_an_exception_comes_out_and_the_file_stays_as_it_was(tmp_path):
    path = tmp_path / "f.mlxfn"
    path.write_bytes(b"old")

    def fails(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        mx.export_function(str(path), fails, mx.zeros((2,)))
    assert path.read_bytes() == b"old"
    with pytest.raises(ValueError, match="must return an array or a sequence of arrays, not int"):
        mx.export_function(str(path), lambda x: 3, mx.zeros((2,)))


def test_a_callback_is_told_in_the_order_of_computation():
    told = []
    mx.export_function(told.append, lambda x, *, y: mx.sum(mx.log2(mx.subtract(x, y)), axis=(0, 1)).astype(mx.int32),
                       mx.ones((2, 3)), y=mx.ones((2, 3)))
    assert [t["type"] for t in told[:4]] == ["inputs", "keyword_inputs", "outputs", "constants"]
    (x, shape, dtype), (y, _, _) = told[0]["inputs"]
    assert shape == (2, 3) and dtype == mx.float32 and told[1]["keywords"] == [("y", y)]
    assert told[2]["outputs"][0][1:] == ((), mx.int32)
    operations = [(t["name"], t["arguments"]) for t in told[4:]]
    assert operations[:3] == [("Subtract", []), ("Log", [0]), ("Reduce", [2, [0, 1]])]
    assert operations[-1] == ("AsType", [mx.int32])
    assert [name for name, _, _ in told[4]["inputs"]] == [x, y]
    with pytest.raises(ValueError, match="metadata is for files"):
        mx.export_function(told.append, mx.exp, mx.ones((2,)), metadata="m")


def test_a_callback_is_told_what_mlx_tells():
    mlx = pytest.importorskip("mlx.core")

    def told_by(m):
        told = []
        m.export_function(told.append, lambda x, y: m.softmax(m.matmul(m.reshape(x, (3, 2)), m.transpose(y)), axis=-1),
                          m.ones((2, 3)), m.ones((4, 2)))
        return [(t["name"], [str(a).split(".")[-1] for a in t["arguments"]]) for t in told if t["type"] == "primitive"]

    assert told_by(mx) == told_by(mlx)


def test_files_are_exchanged_with_mlx(tmp_path):
    mlx = pytest.importorskip("mlx.core")
    path = str(tmp_path / "f.mlxfn")

    def fun(m):
        return lambda x, *, w: m.tanh(m.matmul(x, w)) * 0.5 + m.sum(x, axis=1, keepdims=True)

    values = [[0.5, -1.0], [2.0, 0.25]]
    for writer, reader in ((mlx, mx), (mx, mlx)):
        x = writer.array(values)
        writer.export_function(path, fun(writer), x, w=x)
        y = reader.array(values)
        ours = reader.import_function(path)(y, w=y)[0].tolist()
        assert sum(ours, []) == pytest.approx(sum(fun(writer)(x, w=x).tolist(), []), rel=1e-6)


def test_a_graph_is_written_for_graphviz(tmp_path):
    x, y = mx.ones((2,)), mx.ones((2,))
    z = mx.multiply(mx.add(x, y), x)
    path = tmp_path / "g.dot"
    mx.export_to_dot(str(path), z, left=x)
    stream = io.StringIO()
    mx.export_to_dot(stream, z, left=x)
    assert stream.getvalue() == path.read_text()
    assert stream.getvalue().startswith("digraph {") and "left" in stream.getvalue() and "Multiply" in stream.getvalue()
    with pytest.raises(ValueError, match="a path or an object with a method write"):
        mx.export_to_dot(3, z)
