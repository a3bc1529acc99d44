"""Runs a program written for MLX on Pons, as python itself would run it: python -m pons.mlx PROGRAM.py ..."""

import builtins
import importlib.machinery
import os
import pathlib
import runpy
import sys
import types
import zipfile

import pons.mlx

usage = """usage: python -m pons.mlx PROGRAM.py [ARGUMENT ...]
       python -m pons.mlx -m MODULE [ARGUMENT ...]
       python -m pons.mlx -c COMMAND [ARGUMENT ...]

Runs a program written for MLX on Pons: for it, mlx.core is pons.core. mlx.nn, mlx.optimizers and mlx.utils are MLX's own Python
files if its wheel is installed (pip install mlx). Python programs that it starts run on Pons, too.
"""


def main_module(**attributes):
    """An empty __main__ in place of this one."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __spec__=None, **attributes)
    sys.modules["__main__"] = module
    return module.__dict__


def first_on_path(folder):
    """Python puts this module's folder first (the current one, after -m); the program's belongs there."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def run_command(command):
    sys.argv[0] = "-c"
    first_on_path("")
    exec(compile(command, "<string>", "exec"), main_module(__loader__=importlib.machinery.BuiltinImporter))


def run_module(name):
    main_module()
    runpy._run_module_as_main(name)


def run_file(path):
    sys.argv[0] = path
    if os.path.isdir(path) or zipfile.is_zipfile(path):
        sys.path.insert(0, path)
        main_module()
        return runpy._run_module_as_main("__main__", alter_argv=False)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        sys.exit(f"python -m pons.mlx: can't open {path!r}: {error.strerror}")
    first_on_path(os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    module = main_module(__file__=path, __cached__=None, __loader__=loader)
    exec(compile(text, path, "exec", dont_inherit=True), module)


def without_our_frames(show):
    """Tracebacks begin where the program does."""
    ours = {__file__, runpy.__file__, "<frozen runpy>"}

    def excepthook(kind, error, traceback):
        while traceback and traceback.tb_frame.f_code.co_filename in ours:
            traceback = traceback.tb_next
        show(kind, error.with_traceback(traceback), traceback)

    return excepthook


def hand_on_to_children():
    """Python programs that this one starts find Pons as mlx.core on their path; multiprocessing hands on this one's."""
    children = str(pathlib.Path(pons.mlx.__file__).parent / "children")
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = children + os.pathsep + others if others else children
    sys.path.insert(0 if sys.flags.safe_path else 1, children)


def main():
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    form = {"-m": run_module, "-c": run_command}.get(arguments[0])
    if form and len(arguments) == 1:
        print(f"python -m pons.mlx: {arguments[0]} needs an argument", file=sys.stderr)
        return 2
    if not form and arguments[0].startswith("-"):
        print(f"python -m pons.mlx: unknown option {arguments[0]}\n{usage}", end="", file=sys.stderr)
        return 2
    hand_on_to_children()
    sys.excepthook = without_our_frames(sys.excepthook)
    sys.argv = arguments[1:] if form else arguments
    if form:
        form(sys.argv[0])
    else:
        run_file(arguments[0])
    return 0


sys.exit(main())
