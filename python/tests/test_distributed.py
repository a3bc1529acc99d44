"""Groups of processes in Python: MLX's own nn code on several processes gives what one process gives for the whole batch."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

command = os.environ.get("PONS_COMMAND") or str(pathlib.Path(os.environ.get("PONS_BUILD_DIR", "build/dev")) / "bin/pons")
pytestmark = pytest.mark.skipif(not os.path.exists(command), reason="the command pons is not built")
needs_mlx = pytest.mark.skipif(importlib.util.find_spec("mlx") is None, reason="MLX's wheel is not installed")


def launch(count, text, *arguments, timeout=100):
    return subprocess.run(
        [command, "launch", "-n", str(count), sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=timeout
    )


def printed(count, text, *arguments):
    done = launch(count, text, *arguments)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.splitlines())


def test_every_process_sees_the_others():
    assert printed(
        3,
        "import pons.core as mx\n"
        "g = mx.distributed.init(strict=True)\n"
        "x = mx.array([g.rank(), 1])\n"
        "d = mx.distributed\n"
        "left, right = (g.rank() - 1) % 3, (g.rank() + 1) % 3\n"
        "sent = d.send(x, right)\n"
        "got = d.recv_like(x, left)\n"
        "mx.eval(got, sent)\n"
        "print(g.rank(), g.size(), d.all_sum(x).tolist(), d.all_max(x).tolist(), d.all_gather(x).tolist(), got.tolist())\n",
    ) == [f"{r}: {r} 3 [3, 3] [2, 1] [0, 1, 1, 1, 2, 1] [{(r - 1) % 3}, 1]" for r in range(3)]


TRAINING = """
import sys
import pons.mlx
import mlx.core as mx, mlx.nn as nn, mlx.optimizers as optim
import numpy as np

group = mx.distributed.init()
rank, size = group.rank(), group.size()
mx.random.seed(3)
model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3))
optimizer = optim.Adam(learning_rate=0.01)
x, y = mx.random.normal((24, 6)), mx.random.randint(0, 3, (24,))
x, y = x[rank::size], y[rank::size]
loss = lambda model, x, y: nn.losses.cross_entropy(model(x), y, reduction="mean")
step = nn.value_and_grad(model, loss)
for _ in range(20):
    value, gradients = step(model, x, y)
    optimizer.update(model, nn.average_gradients(gradients, all_reduce_size=int(sys.argv[2])))
    mx.eval(model.parameters(), optimizer.state, value)
if rank == size - 1:
    mx.savez(sys.argv[1], **dict(nn.utils.tree_flatten(model.parameters())))
print("trained")
"""


@needs_mlx
@pytest.mark.parametrize("all_reduce_size", [0, 256, 1 << 25])
def test_training_on_several_processes_is_training_on_the_whole_batch(tmp_path, all_reduce_size):
    weights = []
    for count in 1, 2, 3:
        path = str(tmp_path / f"{count}.npz")
        assert printed(count, TRAINING, path, str(all_reduce_size)) == [f"{r}: trained" for r in range(count)]
        weights.append(dict(np.load(path)))
    assert len(weights[0]) == 6
    for several in weights[1:]:
        assert several.keys() == weights[0].keys()
        for name, w in weights[0].items():
            np.testing.assert_allclose(several[name], w, rtol=0, atol=2e-5)


@needs_mlx
def test_layers_cut_among_processes():
    assert printed(
        2,
        "import pons.mlx, mlx.core as mx, mlx.nn as nn\n"
        "from mlx.nn.layers.distributed import shard_linear\n"
        "mx.random.seed(1)\n"
        "x, first, second = mx.random.normal((4, 8)), nn.Linear(8, 16), nn.Linear(16, 8)\n"
        "a, b = shard_linear(first, 'all-to-sharded'), shard_linear(second, 'sharded-to-all')\n"
        "f = lambda x: second(nn.relu(first(x))).square().sum()\n"
        "g = lambda x: b(nn.relu(a(x))).square().sum()\n"
        "(u, du), (v, dv) = mx.value_and_grad(f)(x), mx.value_and_grad(g)(x)\n"
        "print(mx.allclose(u, v, atol=1e-5).item(), mx.allclose(du, dv, atol=1e-5).item())\n",
    ) == ["0: True True", "1: True True"]


def test_a_process_that_is_gone_is_an_exception_in_the_others():
    done = launch(
        2,
        "import os, pons.core as mx\n"
        "rank = mx.distributed.init(strict=True).rank()\n"
        "if rank: os._exit(0)\n"
        "try: mx.eval(mx.distributed.all_sum(mx.ones(3)))\n"
        "except RuntimeError as e: print('closed the connection' in str(e))\n",
    )
    assert done.returncode == 0 and done.stdout == "0: True\n", done


def test_without_others_strict_is_an_exception():
    import pons.core as mx

    with pytest.raises(RuntimeError, match="needs MLX_HOSTFILE and MLX_RANK"):
        mx.distributed.init(strict=True, backend="ring")
    assert mx.distributed.init().size() == 1
