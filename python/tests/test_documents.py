"""The Python examples of README.md and docs/python.md run as printed, and print what the documents say they print."""

import pathlib
import re
import subprocess
import sys

import pytest

root = pathlib.Path(__file__).parents[2]


def examples():
    for name in "README.md", "docs/python.md":
        blocks = re.findall(r"```python\n(.*?)```(?:\s*prints\s*```text\n(.*?)```)?", (root / name).read_text(), re.S)
        for i, (program, printed) in enumerate(blocks):
            yield pytest.param(program, printed, id=f"{name}-{i + 1}")


@pytest.mark.parametrize("program, printed", list(examples()))
def test_example(program, printed):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
