"""Programs written for MLX: `import pons.mlx`, and `python -m pons.mlx` in its three forms, as python itself has them."""

import importlib.util
import subprocess
import sys

import pytest

has_mlx = importlib.util.find_spec("mlx") is not None
needs_mlx = pytest.mark.skipif(not has_mlx, reason="MLX's wheel is not installed")


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **options)


def printed(*arguments, **options):
    done = python(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def last_error(*arguments, **options):
    done = python(*arguments, **options)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_mlx_core_is_pons_core_in_every_way_of_importing_it():
    assert printed(
        "-c",
        "import pons.mlx, pons.core\n"
        "import mlx.core, mlx.core as mx\n"
        "from mlx import core\n"
        "assert mlx.core is mx is core is pons.core\n"
        "from mlx.core import __version__\n"
        "print('all are')",
    ) == ["all are"]


def test_submodules_are_pons_own():
    assert printed(
        "-c",
        "import sys, pons.mlx, mlx.core as mx\n"
        "for name in [n for n in sys.modules if n.startswith('pons.core.')]:\n"
        "    assert sys.modules['mlx' + name[4:]] is sys.modules[name] is getattr(mx, name.split('.')[2]), name\n"
        "print('checked')",
    ) == ["checked"]


def test_without_the_wheel_the_python_parts_say_what_to_install():
    # -S: nothing of site-packages is found.
    for part in "nn", "optimizers", "utils":
        assert last_error("-S", "-c", f"import pons.mlx, mlx.core, mlx.{part}").endswith("pip install mlx")
    assert last_error("-S", "-c", "import pons.mlx, mlx.other") == "ModuleNotFoundError: No module named 'mlx.other'"


@needs_mlx
def test_mlx_imported_before_is_an_error():
    error = last_error("-c", "import mlx.core, pons.mlx")
    assert error.startswith("ImportError: mlx.core was imported already, from ")
    assert "import pons.mlx before" in error


def test_a_file_runs_as_python_would_run_it(tmp_path):
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "beside.py").write_text("value = 7\n")
    program = folder / "program.py"
    program.write_text(
        "import sys, pickle, beside\n"
        "import mlx.core as mx\n"
        "class Thing: pass\n"
        "assert type(pickle.loads(pickle.dumps(Thing()))) is Thing\n"
        "print(__name__, __file__, __spec__, sys.argv[1:], beside.value)\n"
        "print(sys.argv[0] == __file__, sys.modules['__main__'].Thing is Thing, mx.__name__)\n"
    )
    arguments = str(program), "-m", "--flag", "x y"
    as_python = printed(*arguments) if has_mlx else None
    on_pons = printed("-m", "pons.mlx", *arguments)
    assert on_pons == [f"__main__ {program} None ['-m', '--flag', 'x y'] 7", "True True pons.core"]
    if has_mlx:
        assert on_pons[0] == as_python[0]


def test_a_module_runs_by_its_name(tmp_path):
    (tmp_path / "tool.py").write_text("import sys\nimport mlx.core as mx\nprint(__name__, __spec__.name, sys.argv[1:], mx.__name__)\n")
    assert printed("-m", "pons.mlx", "-m", "tool", "-v", cwd=tmp_path) == ["__main__ tool ['-v'] pons.core"]
    assert "No module named there_is_none" in last_error("-m", "pons.mlx", "-m", "there_is_none")


def test_a_command_runs():
    command = "import sys; import mlx.core as mx; print(sys.argv, __name__, mx.__name__)"
    assert printed("-m", "pons.mlx", "-c", command, "a") == ["['-c', 'a'] __main__ pons.core"]


def test_exit_status_is_the_programs():
    assert python("-m", "pons.mlx", "-c", "raise SystemExit(3)").returncode == 3
    assert python("-m", "pons.mlx").returncode == 2
    assert python("-m", "pons.mlx", "--nonsense").returncode == 2
    assert "can't open 'nowhere.py'" in last_error("-m", "pons.mlx", "nowhere.py")


@pytest.mark.parametrize("text", ["def f():\n    1 / 0\n\nf()\n", "x = (\n", "raise SystemExit('said')\n"])
def test_tracebacks_are_those_of_python(tmp_path, text):
    program = tmp_path / "faulty.py"
    program.write_text(text)
    assert python("-m", "pons.mlx", str(program)).stderr == python(str(program)).stderr


def test_tracebacks_of_modules_and_commands_begin_in_the_program(tmp_path):
    (tmp_path / "faulty.py").write_text("1 / 0\n")
    for arguments in ("-m", "faulty"), ("-c", "1 / 0"):
        error = python("-m", "pons.mlx", *arguments, cwd=tmp_path).stderr
        assert "ZeroDivisionError" in error and "runpy" not in error and "pons" not in error.replace(str(tmp_path), "")


def test_python_programs_that_a_program_starts_run_on_pons(tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(
        "import multiprocessing, subprocess, sys\n"
        "import mlx.core as mx\n"
        "def module_name(_):\n"
        "    return mx.__name__\n"
        "if __name__ == '__main__':\n"
        "    command = 'import mlx.core as mx; print(mx.__name__)'\n"
        "    print(subprocess.run([sys.executable, '-c', command], capture_output=True, text=True).stdout.strip())\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(module_name, [0])[0])\n"
    )
    assert printed("-m", "pons.mlx", str(program)) == ["pons.core", "pons.core"]
