"""Writes lib/nn/mlx_values.h and lib/optim/mlx_values.h: what mlx.nn and mlx.optimizers compute, for tests to compare with.

    python tests/mlx_nn_values.py        (from the top folder, with mlx installed)
"""
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np


def ramp(*shape, seed=0):
    """The inputs, which the tests make by the same rule."""
    n = int(np.prod(shape))
    i = np.arange(n)
    return mx.array(((i * 37 + seed * 11) % 23 - 11).astype(np.float32) / np.float32(7)).reshape(shape)


rows = []


def row(name, *arrays):
    flat = np.concatenate([np.array(a.astype(mx.float32)).reshape(-1) for a in arrays])
    rows.append((name, flat))


def activations():
    x = ramp(3, 4)
    for name, f in [
        ("relu", nn.relu), ("relu6", nn.relu6), ("leaky_relu", lambda x: nn.leaky_relu(x, 0.1)),
        ("elu", lambda x: nn.elu(x, 0.7)), ("selu", nn.selu), ("celu", lambda x: nn.celu(x, 0.7)), ("silu", nn.silu),
        ("gelu", nn.gelu), ("gelu_approx", nn.gelu_approx), ("gelu_fast_approx", nn.gelu_fast_approx),
        ("softplus", nn.softplus), ("softsign", nn.softsign), ("mish", nn.mish), ("hardswish", nn.hardswish),
        ("log_sigmoid", nn.log_sigmoid), ("log_softmax", lambda x: nn.log_softmax(x, 1)),
        ("log_softmax_0", lambda x: nn.log_softmax(x, 0)), ("glu", lambda x: nn.glu(x, 1)),
    ]:
        row(name, f(x))


def losses():
    L = nn.losses
    logits, other = ramp(3, 4), ramp(3, 4, seed=2)
    classes, shares, weights = mx.array([1, 3, 0]), mx.softmax(other, axis=-1), mx.array([0.5, 1.0, 2.0])
    row("cross_entropy", L.cross_entropy(logits, classes))
    row("cross_entropy_mean", L.cross_entropy(logits, classes, reduction="mean"))
    row("cross_entropy_sum", L.cross_entropy(logits, classes, reduction="sum"))
    row("cross_entropy_smooth", L.cross_entropy(logits, classes, label_smoothing=0.1))
    row("cross_entropy_shares", L.cross_entropy(logits, shares, label_smoothing=0.2))
    row("cross_entropy_weights", L.cross_entropy(logits, classes, weights=weights, reduction="mean"))
    row("cross_entropy_axis", L.cross_entropy(logits, mx.array([1, 2, 0, 1]), axis=0))
    row("mse", L.mse_loss(logits, other, reduction="mean"))
    row("l1", L.l1_loss(logits, other, reduction="mean"))
    row("smooth_l1", L.smooth_l1_loss(logits, other, beta=0.5, reduction="none"))
    row("huber", L.huber_loss(logits, other, delta=0.7, reduction="none"))
    row("nll", L.nll_loss(nn.log_softmax(logits), classes))
    row("kl_div", L.kl_div_loss(nn.log_softmax(logits), nn.log_softmax(other)))
    row("hinge", L.hinge_loss(logits, mx.sign(other)))
    row("binary_cross_entropy", L.binary_cross_entropy(logits, mx.sigmoid(other), with_logits=True, reduction="none"))


def layers():
    m = nn.Linear(4, 3)
    m.weight, m.bias = ramp(3, 4, seed=1), ramp(3, seed=2)
    row("linear", m(ramp(2, 4)))
    m = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    m.weight, m.bias = ramp(6, 3, 3, 2, seed=1), ramp(6, seed=2)
    row("conv2d", m(ramp(2, 5, 4, 4)))
    m = nn.Conv1d(3, 2, 3, padding=1, dilation=2)
    m.weight, m.bias = ramp(2, 3, 3, seed=1), ramp(2, seed=2)
    row("conv1d", m(ramp(2, 6, 3)))
    m = nn.LayerNorm(4)
    m.weight, m.bias = ramp(4, seed=1), ramp(4, seed=2)
    row("layer_norm", m(ramp(3, 4)))
    m = nn.RMSNorm(4)
    m.weight = ramp(4, seed=1)
    row("rms_norm", m(ramp(3, 4)))
    m = nn.GroupNorm(2, 4)
    m.weight, m.bias = ramp(4, seed=1), ramp(4, seed=2)
    row("group_norm", m(ramp(2, 3, 4)))
    m = nn.BatchNorm(4)
    m.weight, m.bias, m.running_mean, m.running_var = ramp(4, seed=1), ramp(4, seed=2), ramp(4, seed=3), mx.abs(ramp(4, seed=4))
    m.eval()
    row("batch_norm_eval", m(ramp(5, 4)))
    m.train()
    row("batch_norm_train", m(ramp(5, 4)))
    row("batch_norm_moved", m.running_mean, m.running_var)
    m = nn.Embedding(5, 3)
    m.weight = ramp(5, 3, seed=1)
    row("embedding", m(mx.array([[0, 4], [2, 2]])))
    m = nn.MultiHeadAttention(8, 2)
    for i, part in enumerate([m.query_proj, m.key_proj, m.value_proj, m.out_proj]):
        part.weight = ramp(8, 8, seed=i)
    mask = nn.MultiHeadAttention.create_additive_causal_mask(3)
    row("attention", m(ramp(2, 3, 8), ramp(2, 3, 8, seed=1), ramp(2, 3, 8, seed=2), mask))
    row("max_pool2d", nn.MaxPool2d(2)(ramp(2, 4, 6, 3)))
    row("max_pool2d_overlapping", nn.MaxPool2d(3, stride=2)(ramp(2, 5, 7, 3)))
    row("avg_pool2d", nn.AvgPool2d(2)(ramp(2, 4, 6, 3)))
    row("avg_pool2d_overlapping", nn.AvgPool2d(3, stride=2)(ramp(2, 5, 7, 3)))


def initialisers():
    def seeded(name, f):
        mx.random.seed(7)
        row(name, *f())

    zeros = mx.zeros((6, 3, 3, 4))
    seeded("init_normal", lambda: [nn.init.normal(0.5, 2.0)(mx.zeros((5,)))])
    seeded("init_uniform", lambda: [nn.init.uniform(-2.0, 3.0)(mx.zeros((5,)))])
    seeded("init_glorot_uniform", lambda: [nn.init.glorot_uniform()(zeros, 2.0)[0, 0]])
    seeded("init_glorot_normal", lambda: [nn.init.glorot_normal()(zeros, 2.0)[0, 0]])
    seeded("init_he_uniform", lambda: [nn.init.he_uniform()(zeros, "fan_in", 1.5)[0, 0]])
    seeded("init_he_normal", lambda: [nn.init.he_normal()(zeros, "fan_out", 1.5)[0, 0]])

    def linear():
        m = nn.Linear(4, 3)
        return m.weight, m.bias

    def conv():
        m = nn.Conv2d(2, 3, 2)
        return m.weight, m.bias

    seeded("linear_init", linear)
    seeded("conv_init", conv)
    seeded("embedding_init", lambda: [nn.Embedding(4, 3).weight])
    seeded("dropout", lambda: [nn.Dropout(0.4)(ramp(4, 5))])


def optimisers():
    for name, o in [
        ("sgd", optim.SGD(0.1)),
        ("sgd_momentum", optim.SGD(0.1, momentum=0.9)),
        ("sgd_dampening", optim.SGD(0.1, momentum=0.9, dampening=0.2)),
        ("sgd_nesterov", optim.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.05)),
        ("adam", optim.Adam(0.1)),
        ("adam_corrected", optim.Adam(0.1, betas=[0.8, 0.99], eps=1e-6, bias_correction=True)),
        ("adamw", optim.AdamW(0.1)),
        ("adamw_decay", optim.AdamW(0.1, weight_decay=0.1, bias_correction=True)),
    ]:
        p = {"w": ramp(2, 3), "b": ramp(3, seed=1)}
        for t in range(4):
            p = o.apply_gradients({"w": ramp(2, 3, seed=2 + t), "b": ramp(3, seed=5 + t)}, p)
        row(name, p["w"], p["b"])
    for name, limit in [("clip_small", 1.0), ("clip_large", 100.0)]:
        g, norm = optim.clip_grad_norm({"w": ramp(2, 3), "b": ramp(3, seed=1)}, limit)
        row(name, g["w"], g["b"], norm)
    steps = [0, 1, 5, 10, 20]
    for name, f in [
        ("exponential_decay", optim.exponential_decay(0.1, 0.9)),
        ("step_decay", optim.step_decay(0.1, 0.5, 5)),
        ("cosine_decay", optim.cosine_decay(0.1, 10, 0.01)),
        ("linear_schedule", optim.linear_schedule(0.1, 0.5, 10)),
    ]:
        row(name, *[mx.array(f(mx.array(s))) for s in steps])


def write(path):
    with open(path, "w") as f:
        print("/* mlx_values.h: results of mlx %s, written by tests/mlx_nn_values.py. */" % mx.__version__, file=f)
        print("typedef struct mlx_value {\n  const char *name;\n  int count;\n  const float *at;\n} mlx_value;", file=f)
        print("static const mlx_value mlx_values[] = {", file=f)
        for name, flat in rows:
            print('    {"%s", %d, (const float[]){' % (name, len(flat)), end="", file=f)
            for i in range(0, len(flat), 6):
                values = ["INFINITY" if np.isinf(v) else "%.9g" % v for v in flat[i : i + 6]]
                print("\n     ", ", ".join(values), end="," if i + 6 < len(flat) else "}},\n", file=f)
        print("};", file=f)
    rows.clear()


mx.set_default_device(mx.cpu)
activations()
losses()
layers()
initialisers()
write("lib/nn/mlx_values.h")
optimisers()
write("lib/optim/mlx_values.h")
