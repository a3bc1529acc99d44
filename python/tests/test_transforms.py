"""Gradients, products with Jacobians, batches and rules of one's own, on trees: against finite differences, plain Python, and
MLX where it is installed."""

from collections import namedtuple

import numpy as np
import pons.core as mx
import pytest

try:
    import mlx.core as mlx
except ImportError:
    mlx = None

Pair = namedtuple("Pair", "a b")


def differences(fun, *args, step=1e-3):
    """Central differences of fun, a Python number, by each element of each argument."""
    grads = []
    for k, arg in enumerate(args):
        flat = np.asarray(arg, np.float64)
        grad = np.zeros_like(flat)
        for at in np.ndindex(flat.shape):
            values = []
            for sign in (1, -1):
                moved = flat.copy()
                moved[at] += sign * step
                values.append(fun(*[mx.array(moved.tolist()) if i == k else mx.array(a) for i, a in enumerate(args)]).item())
            grad[at] = (values[0] - values[1]) / (2 * step)
        grads.append(grad)
    return grads


def test_gradients_are_those_of_finite_differences():
    def loss(w, x, b):
        return mx.sum(mx.tanh(mx.matmul(x, w) + b) ** 2)

    w, x, b = [[0.3, -0.2], [0.5, 0.1], [-0.4, 0.7]], [[1.0, 0.5, -1.0]], [0.1, -0.3]
    grads = mx.grad(loss, argnums=(0, 1, 2))(mx.array(w), mx.array(x), mx.array(b))
    for ours, expected in zip(grads, differences(loss, w, x, b)):
        np.testing.assert_allclose(np.array(ours), expected, atol=2e-3)


def test_gradients_come_in_the_trees_of_their_arguments():
    x = mx.array(3.0)

    def fun(tree, *, k):
        return tree["w"][0] * tree["w"][1][0] * k + tree["p"].a * 2 + tree["p"].b

    tree = {"w": [x, (x,)], "p": Pair(x, x)}
    grads = mx.grad(fun)(tree, k=mx.array(2.0))
    assert isinstance(grads["p"], Pair) and isinstance(grads["w"], list) and isinstance(grads["w"][1], tuple)
    assert [g.item() for g in (grads["w"][0], grads["w"][1][0], grads["p"].a, grads["p"].b)] == [6, 6, 2, 1]
    assert tree["w"][0] is x and tree["p"].a is x
    places, names = mx.grad(fun, argnums=0, argnames="k")(tree, k=mx.array(2.0))
    assert names["k"].item() == 9 and places["w"][0].item() == 6
    assert mx.grad(fun, argnames=["k"])(tree, k=x)[0] is None


def test_values_come_with_what_else_the_function_returns():
    x = mx.array([1.0, 2.0])
    (loss, size, text), grad = mx.value_and_grad(lambda x: (mx.sum(x * x), x.shape, "more"))(x)
    assert loss.item() == 5 and size == (2,) and text == "more" and grad.tolist() == [2, 4]
    loss, grad = mx.value_and_grad(lambda x: mx.sum(x))(x)
    assert loss.item() == 3 and grad.tolist() == [1, 1]


def test_derivatives_of_derivatives():
    third = mx.grad(mx.grad(mx.grad(lambda x: x**4)))
    assert third(mx.array(2.0)).item() == pytest.approx(48)
    hessian = mx.vmap(lambda row: mx.vjp(mx.grad(lambda x: mx.sum(x**3)), [mx.array([1.0, 2.0])], [row])[1][0])
    assert hessian(mx.eye(2)).tolist() == [[6, 0], [0, 12]]


def test_a_function_may_look_at_values_while_its_gradient_is_taken():
    def fun(x):
        y = x * x
        mx.eval(y)
        return y if y.item() > 4 else -y

    assert mx.grad(fun)(mx.array(3.0)).item() == 6
    assert mx.grad(fun)(mx.array(1.0)).item() == -2


def test_what_a_function_does_to_its_arguments_shows_in_lists_and_dicts_alone():
    x, y = mx.array(1.0), mx.array(2.0)
    args = {"x": x, "y": y}

    def fun(args):
        args["y"] = args["x"] * 5
        return args["x"] + args["y"]

    grads = mx.grad(fun)(args)
    assert args["x"] is x and args["y"].item() == 5 and grads["x"].item() == 6

    def changes(z):
        z += 1
        return z * z

    assert mx.grad(changes)(x).item() == 4 and x.item() == 1


def test_gradients_have_the_trees_that_the_arguments_had_before_the_call():
    x = mx.ones((2,))

    def fun(t):
        t.append(x)
        t.insert(0, t[0] * 2)
        return mx.sum(t[1] * 3)

    grads = mx.grad(fun)([x, x])
    assert [g.tolist() for g in grads] == [[3, 3], [0, 0]]


def test_products_with_jacobians():
    x = mx.array([1.0, 2.0])
    fun = lambda x, y: [x * y, mx.sum(x)]
    outs, tangents = mx.jvp(fun, [x, x], [mx.ones(2), mx.zeros(2)])
    assert outs[0].tolist() == [1, 4] and tangents[0].tolist() == [1, 2] and tangents[1].item() == 2
    outs, grads = mx.vjp(fun, [x, x], [mx.ones(2), mx.array(10.0)])
    assert grads[0].tolist() == [11, 12] and grads[1].tolist() == [1, 2]


def test_batches_are_loops():
    x = mx.random.normal((4, 3))
    tree = {"a": x, "b": [mx.random.normal((3, 4))]}
    fun = lambda t, s: {"sum": mx.sum(t["a"] * t["b"][0]), "more": (t["a"] + s,)}
    out = mx.vmap(fun, in_axes=({"a": 0, "b": [1]}, None), out_axes={"sum": 0, "more": -1})(tree, mx.array(2.0))
    for i in range(4):
        alone = fun({"a": x[i], "b": [tree["b"][0][:, i]]}, mx.array(2.0))
        np.testing.assert_allclose(np.array(out["sum"][i]), np.array(alone["sum"]), rtol=1e-5)
        np.testing.assert_allclose(np.array(out["more"][0][:, i]), np.array(alone["more"][0]), rtol=1e-6)


def test_wrong_calls_say_what_is_wrong():
    x = mx.ones((3,))
    for call, error, text in [
        (lambda: mx.grad(1), TypeError, "grad\\(\\): fun must be Callable, not int"),
        (lambda: mx.grad(mx.exp, argnums=[1, 1]), ValueError, "duplicate argument index 1"),
        (lambda: mx.grad(mx.exp, argnums=-1), ValueError, "negative argument index -1"),
        (lambda: mx.grad(mx.exp, argnums=[]), ValueError, "no argument requested"),
        (lambda: mx.grad(mx.exp, argnums=2)(x), ValueError, "called with only 1 positional"),
        (lambda: mx.grad(mx.exp, argnames="k")(x), ValueError, "keyword argument 'k'"),
        (lambda: mx.grad(mx.exp)(x), ValueError, "must be a scalar, it is \\(3\\) float32"),
        (lambda: mx.grad(mx.exp)(1.0), ValueError, "only arrays, not float"),
        (lambda: mx.grad(lambda x: 1)(x), ValueError, "but int was returned"),
        (lambda: mx.value_and_grad(lambda x: ())(x), ValueError, "non-empty tuple"),
        (lambda: mx.vjp(mx.exp, [x], []), ValueError, "vjp"),
        (lambda: mx.vjp(mx.exp, [x], [mx.ones((2,))]), ValueError, "vjp"),
        (lambda: mx.jvp(mx.exp, [x], [x, x]), ValueError, "inputs \\(1\\) does not match number of tangents \\(2\\)"),
        (lambda: mx.jvp(lambda x: "s", [x], [x]), ValueError, "not str"),
        (lambda: mx.vmap(mx.exp, in_axes=1)(x), IndexError, "invalid vectorization axis 1 .* \\(3,\\)"),
        (lambda: mx.vmap(mx.add, in_axes=(0,))(x, x), ValueError, "not a valid prefix"),
        (lambda: mx.vmap(mx.exp, in_axes="s")(x), ValueError, "integer or None"),
        (lambda: mx.vmap(mx.exp, out_axes=5)(x), IndexError, "invalid output vectorization axis 5"),
        (lambda: mx.vmap(lambda x: (x, x), out_axes=(0, None))(x), ValueError, "output 1 depends on the batch"),
        (lambda: mx.vmap(mx.add)(x, mx.ones((2,))), ValueError, "sizes of the batch differ"),
        (lambda: mx.vmap(mx.exp, in_axes=None), TypeError, "not None"),
        (lambda: mx.vmap(mx.exp)(a=x), TypeError, "keyword"),
        (lambda: mx.grad(lambda x: (mx.async_eval(x), mx.sum(x))[1])(x), ValueError, "async_eval"),
    ]:
        with pytest.raises(error, match=text):
            call()


def test_an_exception_comes_out_as_it_is():
    class Mine(Exception):
        pass

    def fails(*args):
        raise Mine("text")

    x = {"a": mx.ones((2,))}
    before = x["a"]
    custom = mx.custom_function(lambda x: x * 2)
    custom.vjp(fails)
    for call in (
        lambda: mx.grad(fails)(x), lambda: mx.vmap(fails)(x), lambda: mx.checkpoint(fails)(x), lambda: mx.compile(fails)(x),
        lambda: mx.jvp(fails, [before], [before]), lambda: mx.vjp(fails, [before], [before]),
        lambda: mx.grad(lambda x: mx.sum(custom(x)))(before),
    ):
        with pytest.raises(Mine, match="text") as info:
            call()
        assert info.traceback[-1].name == "fails"
    assert x["a"] is before


def test_deep_and_endless_trees_are_errors():
    tree = []
    tree.append(tree)
    for call in (lambda: mx.eval(tree), lambda: mx.grad(lambda t: t)(tree), lambda: mx.compile(lambda t: t)(tree)):
        with pytest.raises(RecursionError):
            call()


def test_rules_of_ones_own():
    seen = []

    @mx.custom_function
    def f(x, y):
        return mx.sin(x) * y

    @f.vjp
    def f_vjp(primals, cotangent, output):
        seen.append(("vjp", len(primals), output.item()))
        return cotangent * 10, None

    @f.jvp
    def f_jvp(primals, tangents):
        return tangents[0] * 100

    @f.vmap
    def f_vmap(inputs, axes):
        seen.append(("vmap", axes))
        return inputs[0] * 0 + 7, axes[0]

    x, y = mx.array(0.5), mx.array(2.0)
    assert f(x, y).item() == pytest.approx(np.sin(0.5) * 2)
    assert mx.grad(f)(x, y).item() == 10
    assert mx.grad(f, argnums=1)(x, y).item() == 0
    assert mx.jvp(lambda x: f(x, y), [x], [mx.array(1.0)])[1][0].item() == 100
    assert mx.vmap(f, in_axes=(0, None))(mx.ones(3), y).tolist() == [7, 7, 7]
    assert [s[:2] for s in seen] == [("vjp", 2), ("vjp", 2), ("vmap", (0, None))]
    assert mx.custom_function(lambda x, k=1: x * k)(x, k=4).item() == 2


def test_a_rule_of_one_argument_gets_it_alone_and_keywords_by_name():
    @mx.custom_function
    def f(tree, scale=None):
        return {"out": tree["a"] * scale}

    @f.vjp
    def f_vjp(tree, cotangents, outputs, scale):
        assert set(tree) == {"a"} and outputs["out"].item() == 6
        return {"a": cotangents["out"] * 5}

    grad = mx.grad(lambda t, s: f(t, scale=s)["out"])({"a": mx.array(2.0)}, mx.array(3.0))
    assert grad["a"].item() == 5


def test_a_rule_for_batches_is_told_their_axes():
    seen = []
    f = mx.custom_function(lambda x, y, n: x * y)

    @f.vmap
    def f_vmap(inputs, axes):
        seen.append((inputs[0].shape, axes))
        return (inputs[0] * 2, axes[0])

    x = mx.random.normal((2, 3))
    assert mx.array_equal(mx.vmap(lambda x, y: f(x, y, 5), in_axes=(1, None), out_axes=1)(x, mx.array(1.0)), x * 2)
    f.vmap(lambda inputs, axes: (mx.array([1.0, 2.0]), None))
    assert mx.vmap(lambda x: f(x, x, 5))(mx.zeros((3, 2))).tolist() == [[1, 2]] * 3
    assert seen == [((2, 3), (1, None, None))]


def test_missing_gradients_of_a_rule_are_errors_when_asked_for():
    f = mx.custom_function(lambda x, y: x * y)
    f.vjp(lambda primals, cotangent, output: cotangent)
    x = mx.array(2.0)
    assert mx.grad(f)(x, x).item() == 1
    with pytest.raises(ValueError, match="gave 1 gradients for 2 arrays"):
        mx.grad(f, argnums=1)(x, x)


def test_checkpoint_has_the_gradients_of_the_function():
    calls = []

    def fun(tree):
        calls.append(1)
        return {"y": mx.exp(mx.sin(tree["x"])), "n": 3}

    x = {"x": mx.array([0.5, 1.0])}
    loss = lambda f: lambda t: mx.sum(f(t)["y"] ** 2)
    ours = mx.grad(loss(mx.checkpoint(fun)))(x)["x"]
    np.testing.assert_allclose(np.array(ours), np.array(mx.grad(loss(fun))(x)["x"]), rtol=1e-6)
    assert mx.checkpoint(fun)(x)["n"] == 3


def test_depends_passes_values_on():
    x, y = mx.ones((2,)), mx.zeros((3,))
    assert mx.depends(x, y).tolist() == [1, 1]
    out = mx.depends([x, y], [x * 2])
    assert isinstance(out, list) and out[1].tolist() == [0, 0, 0]
    assert mx.depends([], [x]) == []
    with pytest.raises(TypeError):
        mx.depends({"a": x}, y)


@pytest.mark.skipif(mlx is None, reason="MLX is not installed")
def test_the_same_as_mlx():
    def programs(m):
        x = m.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
        w = m.array([0.1, 0.2, 0.3])
        state = {"w": w, "k": 2}

        def loss(p, x):
            return m.mean(m.logaddexp(x @ p["w"], m.array(0.0)) * p["k"])

        yield m.value_and_grad(lambda w, x: loss({"w": w, "k": 2}, x))(w, x)
        yield m.grad(lambda s, x: m.sum(m.softmax(s["w"] * x, axis=-1)[:, 0]))({"w": w}, x)
        yield m.vmap(m.grad(lambda x: m.sum(m.sin(x) * x)), in_axes=1, out_axes=1)(x)
        yield m.jvp(lambda x, w: (x * w).sum(axis=1), [x, w], [x, w])
        yield m.compile(lambda s, x: {"l": loss(s, x), "k": s["k"]})(state, x)
        yield m.vmap(lambda x: (x, w), out_axes=(1, None))(x)

    def plain(o):
        if isinstance(o, (list, tuple)):
            return [plain(i) for i in o]
        if isinstance(o, dict):
            return {k: plain(v) for k, v in o.items()}
        return o.tolist() if hasattr(o, "tolist") else o

    def flat(o):
        items = o.values() if isinstance(o, dict) else o if isinstance(o, list) else None
        return [o] if items is None else [leaf for i in items for leaf in flat(i)]

    for ours, theirs in zip(programs(mx), programs(mlx)):
        ours, theirs = flat(plain(ours)), flat(plain(theirs))
        assert ours == pytest.approx(theirs, rel=1e-5)
