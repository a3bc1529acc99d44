"""The stubs are those of the module, and say nothing that a type checker can't read."""

import ast
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).parents[2]


def test_the_stubs_are_those_of_the_module():
    done = subprocess.run([sys.executable, root / "tools/python-stubs", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr + "\nwrite them anew: PYTHONPATH=build/dev/python build/venv/bin/python tools/python-stubs"


def test_a_stub_that_differs_is_shown(tmp_path):
    program = (root / "tools/python-stubs").read_text()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/python-stubs").write_text(program)
    stubs = tmp_path / "python/pons/core"
    stubs.mkdir(parents=True)
    for stub in (root / "python/pons/core").glob("*.pyi"):
        (stubs / stub.name).write_text(stub.read_text().replace("def cholesky(a: array,", "def cholesky(b: array,"))
    done = subprocess.run([sys.executable, tmp_path / "tools/python-stubs", "--check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "-def cholesky(b: array," in done.stdout and "+def cholesky(a: array," in done.stdout


def test_stubs_are_python():
    for stub in (root / "python/pons/core").glob("*.pyi"):
        ast.parse(stub.read_text(), stub.name)
