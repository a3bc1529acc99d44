"""docs/coverage.md: what of mlx.core's names Pons has, and what is tested of each, told by the code alone.

    python coverage_test.py             is the page as it should be?
    python coverage_test.py --write     makes the page

Names that are missing without a reason get a chapter of the page, so none can go unseen.

The names are those of mlx_names.tsv (mlx.core 0.32.4). A name is present where a public header declares its C name and the
library exports that. The other columns are for ops, functions that give arrays:
  vjp, jvp, vmap, export   a conformance case names the op and is one of those that the tests hold derivatives, batches and
                           files of; what a case has is told by op_table_test, which writes the cases to files.
                           vjp also where the row of the differential test compares it
  fixture                  each primitive of such a file is in some file that MLX wrote (tests/fixtures)
  differential             there is a row for the op in differential/"""
import ctypes
import fnmatch
import glob
import importlib
import json
import os
import subprocess
import sys
import tempfile

import reader

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
BUILD = os.environ.get("PONS_BUILD_DIR", os.path.join(ROOT, "build", "dev"))
LIBRARY = os.environ.get("PONS_LIBRARY", os.path.join(BUILD, "lib", "libpons.so"))
PAGE = os.path.join(ROOT, "docs", "coverage.md")
sys.path.insert(0, os.path.join(HERE, "differential"))
import binding  # noqa: E402

# Names that are called otherwise in C.
CALLED = {
    "asarray": "pons_array_from", "array": "pons_array_from", "array.__init__": "pons_array_from", "array.__repr__": "pons_to_text",
    "array.tolist": "pons_copy_out", "array.__bytes__": "pons_copy_out", "array.__dlpack__": "pons_to_dlpack",
    "array.__bool__": "pons_item", "array.__float__": "pons_item", "array.__int__": "pons_item_int", "array.__index__": "pons_item_int",
    "array.__len__": "pons_dim", "array.dtype": "pons_dtype_of", "array.shape": "pons_shape_of", "array.itemsize": "pons_dtype_size",
    "array.T": "pons_transpose", "array.mT": "pons_matrix_transpose", "array.__getitem__": "pons_get", "array.__iter__": "pons_unstack",
    "array.__setitem__": "pons_put", "Dtype.size": "pons_dtype_size", "Dtype": "pons_dtype", "DtypeCategory": "pons_dtype_category",
    "Stream": "pons_stream", "custom_function": "pons_custom_function",
    "custom_function.*": "pons_custom_function", "__version__": "pons_version", "Stream.device": "pons_stream_device",
    "compile": "pons_compile", "round": "pons_round", "bool_": "PONS_BOOL", "finfo": "pons_finfo", "iinfo": "pons_iinfo",
    **{f"ArrayAt.{kind}": f"pons_put_{kind}" for kind in "add subtract multiply divide maximum minimum".split()},
    "ArrayAt.__getitem__": "pons_index_list", "array.at": "pons_index_list", "ArrayAt": "pons_index_list",
    "Group": "pons_group", "Group.rank": "pons_group_rank", "Group.size": "pons_group_size", "Group.split": "pons_group_split",
    "FunctionExporter": "pons_exporter", "FunctionExporter.close": "pons_exporter_close",
}
OPERATORS = dict(zip(
    "add sub mul truediv div floordiv mod pow matmul and or xor lshift rshift eq ne lt le gt ge neg abs invert pos".split(),
    "add subtract multiply divide divide floor_divide remainder power matmul bitwise_and bitwise_or bitwise_xor left_shift right_shift "
    "equal not_equal less less_equal greater greater_equal negative abs bitwise_invert positive".split()))
# Names that make no sense in C, and why.
REASONS = {
    "pi e inf nan euler_gamma": "constants of math.h",
    "newaxis": "PONS_NEWAXIS, an item of a list of indices",
    "printoptions PrintOptions* StreamContext* stream": "Python's `with`: pons_set_printoptions and pons_set_stream return what was set before",
    "array.__array__ array.__array_namespace__ array.__dlpack_device__ array.__format__ array.__copy__ array.__deepcopy__ "
    "array.__getstate__ array.__setstate__ array.__complex__ ArrayIterator* ArrayLike*": "protocols of Python",
    "ArrayAt*": "pons_put_add and its like take the place as an argument",
    "Device* default_device.*": "a device is its name, a text",
    "cpu gpu DeviceType*": "devices are named by text: \"cpu\"",
    "ThreadLocalStream* new_thread_unsafe_stream": "streams belong to the process; pons_set_stream is per thread",
    "random.state": "pons_random_seed; each thread has a state of its own",
    "metal.*": "names of an older MLX, called without metal. in mlx.core and here",
    "finfo.* iinfo.*": "members of the struct",
}
# Headers whose functions are not ops, unless a case says otherwise.
NO_OPS_IN = {"array.h", "device.h", "distributed.h", "eval.h", "export.h", "io.h", "nn.h", "optim.h", "transforms.h"}


class Code:
    """What headers, library, cases, fixtures and rows say."""

    def __init__(self):
        self.headers = binding.Headers()
        self.library = ctypes.CDLL(LIBRARY)
        self.cases = {}
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(BUILD, "tests", "op_table_test")
            subprocess.run([program, folder], check=True, stdout=subprocess.DEVNULL)
            with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
                entries = json.load(file)
            for entry in entries:
                entry["primitives"] = primitives(os.path.join(folder, entry["file"]))
                for op in entry["case"].split(":")[0].split(", "):
                    self.cases.setdefault(op, []).append(entry)
        self.cases.setdefault("astype", []).extend(self.cases.pop("cast", []))  # rows of elementwise.def whose op is called otherwise
        self.cases.setdefault("where", []).extend(self.cases.pop("select", []))
        self.in_fixtures = set()
        for path in glob.glob(os.path.join(ROOT, "tests", "fixtures", "*.mlxfn")):
            self.in_fixtures |= primitives(path)
        for path in glob.glob(os.path.join(HERE, "differential", "differential_*_test.py")):
            importlib.import_module(os.path.basename(path)[:-3])
        self.rows = importlib.import_module("judge").ROWS

    def target(self, name):
        """The function behind a macro."""
        while name in self.headers.macros:
            name = self.headers.macros[name][0]
        return name

    def has(self, name):
        """Is the C name declared, and exported where it is a function?"""
        name = self.target(name)
        if name in self.headers.functions:
            return getattr(self.library, name, None) is not None
        return name in self.headers.enums or name in self.headers.names or name in self.headers.structs or \
            name in self.headers.enum_types or name in self.headers.handles

    def is_op(self, name):
        target = self.target(name)
        if target not in self.headers.functions:
            return False
        if self.headers.names[target] in NO_OPS_IN and name[len("pons_"):] not in self.cases:
            return False
        result, parameters = self.headers.functions[target]
        return result == "pons_array" or any(t.startswith("pons_array [") or t == "pons_array *" for t, _ in parameters)


def primitives(path):
    doc = reader.load(path)
    return {e["op"] for f in doc["functions"] for e in f["tape"] if e["kind"] == "op"}


def c_name(module, name):
    if name in CALLED:
        return CALLED[name]
    for pattern, called in CALLED.items():
        if "*" in pattern and fnmatch.fnmatchcase(name, pattern):
            return called
    prefix = module[len("mlx.core"):].lstrip(".")
    if name.startswith("array."):
        name = name[len("array."):]
        bare = name.strip("_")
        if name.startswith("__"):
            name = OPERATORS.get(bare, OPERATORS.get(bare[1:] if bare[:1] in "ir" else bare, name))
    if name.startswith("DtypeCategory."):
        name = name.split(".")[1]
    return "pons_" + (prefix + "_" if prefix else "") + name


def constant_name(name):
    return "PONS_" + name.split(".")[-1].rstrip("_").upper()


def reason(module, name):
    full = (module[len("mlx.core"):].lstrip(".") + "." + name).lstrip(".")
    for patterns, why in REASONS.items():
        if any(fnmatch.fnmatchcase(full, p) for p in patterns.split()):
            return why
    return None


def columns(code, c):
    """vjp, jvp, vmap, export, fixture and differential test of an op."""
    names = {c[len("pons_"):]} | {code.target(c)[len("pons_"):]} | {code.target(c)[len("pons_"):].removesuffix("_with")}
    # another name of the same function
    same = [n for n in code.headers.macros if code.headers.macros[n][1] is None and code.target(n) == code.target(c)]
    names |= {n[len("pons_"):] for n in same}
    cases = [e for n in names for e in code.cases.get(n, [])]
    told = lambda test, applies=True: "yes" if test else "no" if applies else "n/a"  # noqa: E731
    alone = [e for e in cases if ", " not in e["case"].split(":")[0]]  # of a case about several ops it is not known which one has them
    smooth = any(e["differentiable"] for e in alone or cases) or not cases
    derivatives = told(any(e["derivatives"] for e in cases), smooth)
    used = [e["primitives"] for e in cases]
    vjp = told(any(code.rows[n].grad for n in names & set(code.rows)) or derivatives == "yes", smooth)
    return [vjp, derivatives,
            told(any(e["batches"] for e in cases), not cases or any(e["batches"] for e in cases)),
            told(cases), told(any(p <= code.in_fixtures for p in used), any(used) or not cases),
            told(names & set(code.rows))]


def primitives_on_devices():
    """Rows of what computes each primitive where, as the command tells."""
    told = subprocess.run([os.environ.get("PONS_COMMAND", os.path.join(BUILD, "bin", "pons")), "info", "--coverage", "--json"],
                          check=True, stdout=subprocess.PIPE)
    entries = json.loads(told.stdout)
    words = {"cpu": "CPU", "none": "an error"}
    def cell(place):
        groups = {}
        for dtype, how in place["but"].items():
            groups.setdefault(words.get(how, how), []).append(dtype)
        return "; ".join([words.get(place["how"], place["how"])] + [f"{', '.join(d)}: {how}" for how, d in groups.items()])
    devices = sorted(entries[0]["on"])
    return ["primitive", *devices], [[f"`{e['name']}`", *(cell(e["on"][d]) for d in devices)] for e in entries]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in r) + " |" for r in rows]


def page(code):
    """The page's text, and the names that are missing without a reason."""
    with open(os.path.join(HERE, "mlx_names.tsv"), encoding="utf-8") as file:
        names = [line.rstrip("\n").split("\t") for line in file][1:]
    ops, others, without, missing = [], [], {}, []
    for module, name, kind, signature in names:
        full = (module[len("mlx.core"):].lstrip(".") + "." + name).lstrip(".")
        c = c_name(module, name)
        if kind == "constant" and not code.has(c):
            c = constant_name(name)
        if code.has(c):
            if kind == "function" and code.is_op(c):
                ops.append([f"`{full}`", "yes", *columns(code, c)])
            else:
                others.append([f"`{full}`", f"`{c}`"])
        elif reason(module, name):
            without.setdefault(reason(module, name), []).append(full)
        else:
            missing.append(full)
            if kind == "function":
                ops.append([f"`{full}`", "no"] + [""] * 6)
    head = ["name", "present", "vjp", "jvp", "vmap", "export", "fixture", "differential test"]
    functions = [n for n in names if n[2] == "function"]
    gone = sum(1 for n in functions if (n[0][len("mlx.core"):].lstrip(".") + "." + n[1]).lstrip(".") in missing)
    counts = [f"{h}: {sum(o[k] == 'yes' for o in ops)} yes, {sum(o[k] == 'no' for o in ops)} no" for k, h in enumerate(head) if k > 1]
    text = ["# Coverage", "",
            "What of mlx.core 0.32.4 is in Pons, made by `tests/against_mlx/coverage_test.py --write` from headers, library, tests and",
            "fixtures; the script says what each column means. n/a: the op has no such thing, e.g. no gradient as its results are",
            "whole numbers.", "",
            f"{len(functions)} functions, {gone} of them missing. Of {len(ops)} ops: " + "; ".join(counts) + ".", "",
            "## Ops", "", *table(head, ops), "",
            "## Primitives on devices", "",
            "What computes each primitive, by the tables that plans are made by (`pons info --coverage`). native: an implementation of the",
            "device's, elementwise ones fused; view: nothing is computed; decomposed: by simpler primitives; CPU: the CPU in the device's place,",
            "with the same result. Behind that, dtypes for which it is otherwise; complex128 is the CPU's everywhere. Sizes and parameters may make it otherwise, too: see",
            "[backends.md](backends.md).", "",
            *table(*primitives_on_devices()), "",
            "## Other functions, methods, classes and constants", "", *table(["name", "in C"], others), "",
            "## Names that make no sense in C", "",
            *table(["names", "why"], [[", ".join(f"`{n}`" for n in ns), why] for why, ns in without.items()]), ""]
    with open(os.path.join(HERE, "mlx_tests.tsv"), encoding="utf-8") as file:
        tests = [line.rstrip("\n").split("\t") for line in file][1:]
    text += ["## MLX's own tests", "",
             "Of the Python tests of MLX's sources of August 2026 (865), 765 pass on its wheel 0.32.4 for the CPU. `tools/run-mlx-tests DIR --compare`",
             "lists which of them do not pass on Pons (`tests/against_mlx/mlx_tests.tsv`): on any device, or with that default device.", "",
             *table(["device", "test", "why"], [[device, f"`{name}`", why] for device, name, why in tests]), "",
             "Tests of custom kernels skip on that wheel; with the default device opencl they fail, as they take any GPU for Metal's or CUDA's.",
             "With cuda they pass. All 866 ran on an NVIDIA H200, in three runs of 26 November 2026 that were cut off in turn: of those that pass",
             "on the wheel the ones listed did not pass when they were last run.", ""]
    if missing:
        text += ["## Missing", "", ", ".join(f"`{n}`" for n in missing), ""]
    return "\n".join(text), missing


def main():
    if os.environ.get("PONS_SANITIZE"):
        print("skipped: a sanitizer's library can't be loaded into Python")
        return 77
    text, missing = page(Code())
    before = ""
    if os.path.exists(PAGE):
        with open(PAGE, encoding="utf-8") as file:
            before = file.read()
    if missing:
        print("missing: " + ", ".join(missing))
    if sys.argv[1:] == ["--write"]:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text)
    elif before != text:
        print("docs/coverage.md is not what the code says: run tests/against_mlx/coverage_test.py --write")
        return 1
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
