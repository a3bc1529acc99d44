"""Interfaces as rows, read from stubs: (module, name, what, parameters). Annotations are left out, since each writes them its own way.

As a program, writes mlx_interface.tsv from the stubs in MLX's wheel: python interface.py
"""

import ast
import importlib.util
import pathlib

data = pathlib.Path(__file__).parent / "mlx_interface.tsv"


def default_text(node):
    try:
        return repr(ast.literal_eval(node))
    except ValueError:
        return ast.unparse(node)


def parameters(function, is_method):
    """(a, /, axis=None, *, stream=None); for methods without self."""
    a = function.args
    placed = a.posonlyargs + a.args
    defaults = [None] * (len(placed) - len(a.defaults)) + a.defaults
    parts = []
    for i, (argument, default) in enumerate(zip(placed, defaults)):
        if not (is_method and i == 0):
            parts.append(argument.arg + (f"={default_text(default)}" if default is not None else ""))
        if i + 1 == len(a.posonlyargs) and parts:
            parts.append("/")
    if a.vararg:
        parts.append("*" + a.vararg.arg)
    elif a.kwonlyargs:
        parts.append("*")
    for argument, default in zip(a.kwonlyargs, a.kw_defaults):
        parts.append(argument.arg + (f"={default_text(default)}" if default is not None else ""))
    if a.kwarg:
        parts.append("**" + a.kwarg.arg)
    return f"({', '.join(parts)})"


def decorators(function):
    return {ast.unparse(d) for d in function.decorator_list}


def rows_of_body(body, prefix=""):
    for node in body:
        if isinstance(node, ast.FunctionDef):
            marks = decorators(node)
            if "property" in marks:
                yield prefix + node.name, "property", ""
            elif not any(mark.endswith(".setter") for mark in marks):
                yield prefix + node.name, "method" if prefix else "function", parameters(node, bool(prefix))
        elif isinstance(node, ast.ClassDef):
            yield node.name, "class", ""
            yield from rows_of_body(node.body, node.name + ".")
        elif isinstance(node, ast.AnnAssign):
            if ast.unparse(node.annotation) != "TypeAlias":
                yield prefix + node.target.id, "constant", ""
        elif isinstance(node, ast.Assign):
            name, value = prefix + node.targets[0].id, node.value
            if isinstance(value, ast.Name):
                yield name, "alias", value.id
            elif not isinstance(value, ast.Call):  # P = ParamSpec("P")
                yield name, "constant", ""


def interface(folder):
    """Rows of all stubs in the folder, with names that stand for others resolved. Stubs overload by repeating a name."""
    rows = []
    for path in sorted(folder.glob("*.pyi")):
        module = "" if path.stem == "__init__" else path.stem + "."
        of_module = list(rows_of_body(ast.parse(path.read_text()).body))
        known = {name: (what, text) for name, what, text in of_module}
        for name, what, text in of_module:
            if what == "alias":
                if text not in known:
                    continue
                what, text = known[text]
            rows.append((module + name, what, text))
    return rows


def of_mlx():
    """What MLX's wheel says; None where it is not installed."""
    package = importlib.util.find_spec("mlx")
    for place in package.submodule_search_locations if package else ():
        folder = pathlib.Path(place) / "core"
        if (folder / "__init__.pyi").exists():
            return interface(folder)
    return None


def stored():
    return [tuple(line.split("\t")) for line in data.read_text().splitlines()]


if __name__ == "__main__":
    data.write_text("".join("\t".join(row) + "\n" for row in of_mlx()))
