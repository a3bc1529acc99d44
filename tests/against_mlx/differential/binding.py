"""libpons for Python tests: a ctypes binding made by reading the public headers, so that no signature is written twice.

    from binding import pons
    pons.sum(x, axes=[0, 1], keepdims=True)     option macros take the struct's fields, by position or by name
    pons.concatenate([a, b], axis=1)            the count behind a list of arrays follows from it
    pons.split(x, 3, 1, out=3)                  room for results: a list comes back; out[2] in the header needs no `out`

Arguments go by the header's types: arrays (or Python numbers, which become weak 0-d arrays), lists for shapes and axes, an
int or None for axes too, "float32" for a dtype, the end of an enumerator's name for other enums, None for NULL.
A result that carries an error raises PonsError. Everything made belongs to the innermost `with pons.scope():`."""
import contextlib
import ctypes
import glob
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = os.path.join(HERE, "..", "..", "..", "include", "pons")
NUMBERS = {"bool": ctypes.c_bool, "char": ctypes.c_char, "int": ctypes.c_int, "unsigned": ctypes.c_uint, "float": ctypes.c_float,
           "double": ctypes.c_double, "size_t": ctypes.c_size_t, "uint8_t": ctypes.c_uint8, "int32_t": ctypes.c_int32,
           "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64}


class PonsError(Exception):
    pass


# ---------------------------------------------------------------- reading headers

def plain(text):
    """A header without comments, line continuations and what only C++ sees."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", " ", text).replace("\\\n", " ")
    return re.sub(r"#ifdef __cplusplus.*?#endif|PONS_PRINTF\(\d, \d\)(?=;)", " ", text, flags=re.S)


def declared(text):
    """(type, name) of each thing a declaration declares: "bool a, *b" gives ("bool", "a"), ("bool *", "b"). A list without
    a size counts as a pointer; one with a size as "type [n]"."""
    text = " ".join(text.split())
    function = re.match(r"(.*)\(\s*\*\s*(\w*)\s*\)\s*\(.*\)$", text)
    if function:
        return [("callback", function.group(2))]
    first, *more = [part.strip() for part in text.split(",")]
    base = re.match(r"(.*?)([\s*]*?)(\w+)\s*((?:\[\w*\])?)$", first)
    if not base or base.group(1).strip() in ("", "const", "struct", "unsigned"):  # a type alone
        return [(" ".join(re.sub(r"\*", " * ", first).split()), "")]
    kind = re.sub(r"\*", " * ", base.group(1))
    stem = " ".join(kind.replace("*", " ").split())
    out = []
    for k, part in enumerate([first] + more):
        stars, name, size = re.match(r"([\s*]*)(\w+)\s*((?:\[\w*\])?)$",
                                     part[len(base.group(1)):] if k == 0 else part).groups()
        stars = (kind.count("*") if k == 0 else 0) + stars.count("*")
        full = " ".join([stem] + ["*"] * stars)
        out.append((f"{full} *" if size == "[]" else f"{full} {size}" if size else full, name))
    return out


def parameters(text):
    """The text between the parentheses of a prototype, as (type, name)."""
    parts, depth, at = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[at:i])
            at = i + 1
    parts.append(text[at:])
    return [declared(p)[0] for p in parts if p.strip() not in ("", "void", "...")]


class Headers:
    """What the public headers declare.
    functions: name -> (type of the result, [(type, name)]); structs: name -> [(type, name)]; enums: enumerator -> value;
    macros: name of an option macro -> (function, struct, first field); handles: names of opaque types"""

    def __init__(self, folder=HEADERS):
        self.functions, self.structs, self.enums, self.macros = {}, {}, {}, {}
        self.handles, self.enum_types, self.names = set(), set(), {}
        for path in sorted(glob.glob(os.path.join(folder, "*.h"))):
            with open(path, encoding="utf-8") as file:
                self.read(plain(file.read()), os.path.basename(path))

    def read(self, text, file):
        for name, function, struct, first in re.findall(
                r"#define (pons_\w+)\((?:\w+, )?\.\.\.\)\s*(\w+)\(\((?:struct )?(\w+)\)\{\s*(?:\.(\w+) = )?__VA_ARGS__\}", text):
            self.macros[name] = (function, struct, first)
        for name, value in re.findall(r"#define (PONS_\w+) \(?(-?\d+)\)?\s", text):
            self.enums[name] = int(value)
        for name in re.findall(r"#define (pons_\w+)\(", text):
            self.names[name] = file
        for name, target in re.findall(r"#define (pons_\w+) (pons_\w+)\b", text):  # another name of the same function
            self.macros[name] = (target, None, None)
            self.names[name] = file
        text = re.sub(r"#[^\n]*", " ", text)
        for body, name in re.findall(r"\benum\s*\w*\s*\{(.*?)\}\s*(\w*)\s*;", text, flags=re.S):
            self.read_enum(body)
            self.enum_types.add(name)
        for tag, body, name in re.findall(r"\bstruct\s+(\w*)\s*\{(.*?)\}\s*(\w*)\s*;", text, flags=re.S):
            fields = [field for line in body.split(";") if line.strip() for field in declared(line)]
            self.structs[name or tag] = self.structs[tag or name] = fields
        for name in re.findall(r"typedef struct \w+ \*(\w+);", text):
            self.handles.add(name)
        for name in re.findall(r"typedef [^;{]*\(\*(\w+)\)\(", text):
            self.enum_types.discard(name)
            self.names[name] = file
        for result, name, args in re.findall(r"PONS_API\s+([^;]*?)\b(pons_\w+)\s*\(([^;]*)\)\s*;", text):
            self.functions[name] = (" ".join(re.sub(r"\*", " * ", result).split()), parameters(args))
            self.names[name] = file

    def read_enum(self, body):
        value = -1
        for entry in filter(None, (e.strip() for e in body.split(","))):
            name, _, given = (part.strip() for part in entry.partition("="))
            value = eval(given, {}, self.enums) if given else value + 1  # sums of numbers and enumerators
            self.enums[name] = value


# ---------------------------------------------------------------- calling

class Array:
    """A pons_array; `owner` is the binding."""

    def __init__(self, owner, handle):
        self.owner, self.handle = owner, handle


class Binding:
    def __init__(self, library, headers=None):
        self.headers = headers or Headers()
        self.library = ctypes.CDLL(library)
        self.structs = {}
        self.made = {}
        self.plain = {name: self.prepared(name) for name in self.headers.functions}
        self.dtypes = {self.plain["pons_dtype_name"](i).decode(): i for i in range(self.headers.enums["PONS_DTYPE_COUNT"])}
        self.dtype_names = list(self.dtypes)

    # ---- types

    def struct(self, name):
        if name not in self.structs:
            kind = type(name, (ctypes.Structure,), {})
            self.structs[name] = kind
            kind._fields_ = [(field, self.ctype(t)) for t, field in self.headers.structs[name]]
        return self.structs[name]

    def ctype(self, text):
        words = text.replace("const", " ").replace("struct ", " ").split()
        if words[-1].startswith("["):
            size = words[-1][1:-1]
            return self.ctype(" ".join(words[:-1])) * (int(size) if size.isdigit() else self.headers.enums[size])
        if words == ["char", "*"]:
            return ctypes.c_char_p
        if "*" in words or words[0] in self.headers.handles or words[0] in ("callback", "pons_callback"):
            return ctypes.c_void_p
        if words[0] == "void":
            return None
        if words[0] in NUMBERS:
            return NUMBERS[words[0]]
        if words[0] in self.headers.structs:
            return self.struct(words[0])
        return ctypes.c_int if words[0] in self.headers.enum_types else ctypes.c_void_p

    def prepared(self, name):
        result, args = self.headers.functions[name]
        function = getattr(self.library, name, None)
        if function is None:
            return None
        function.restype = ctypes.c_void_p if result == "char *" else self.ctype(result)  # pons_free's: not to be copied
        function.argtypes = [ctypes.c_void_p if t.endswith("]") else self.ctype(t) for t, _ in args]
        return function

    # ---- values

    def weak(self, value):
        if isinstance(value, bool):
            return self.plain["pons_bool"](value)
        if isinstance(value, int):
            return self.plain["pons_int"](value)
        if isinstance(value, float):
            return self.plain["pons_float"](value)
        if isinstance(value, complex):
            return self.plain["pons_complex"](value.real, value.imag)
        raise TypeError(f"no array: {value!r}")

    def numbers(self, kind, item, values):
        """A pons_shape or pons_axes. Left out and empty are not the same."""
        if values is None:
            return kind(0, None)
        values = [values] if isinstance(values, int) else list(values)
        data = (item * max(len(values), 1))(*values)
        made = kind(len(values), ctypes.cast(data, ctypes.c_void_p))
        made.data = data
        return made

    def value(self, text, v, live):
        """`v` as the C type `text`; what must stay alive during the call is added to `live`."""
        words = text.replace("const", " ").replace("struct ", " ").split()
        if words == ["pons_array"]:
            return None if v is None else v.handle if isinstance(v, Array) else self.weak(v)
        if words == ["pons_shape"] or words == ["pons_axes"]:
            item = ctypes.c_int64 if words == ["pons_shape"] else ctypes.c_int
            live.append(self.numbers(self.struct(words[0]), item, v))
            return live[-1]
        if words == ["int"] and v is None:  # an axis left out
            return self.headers.enums["PONS_FLAT"]
        if words == ["pons_optional_dtype"] and not isinstance(v, dict):
            v = {} if v is None else {"given": True, "dtype": v}
        if words[:2] == ["pons_array", "*"] and v is not None:
            live.append((ctypes.c_void_p * max(len(v), 1))(*[self.value("pons_array", a, live) for a in v]))
            return ctypes.cast(live[-1], ctypes.c_void_p)
        if words == ["pons_dtype"] and isinstance(v, str):
            return self.dtypes[v]
        if words[0] in self.headers.enum_types and isinstance(v, str):
            ends = [value for name, value in self.headers.enums.items() if name.endswith("_" + v.upper())]
            if len(ends) != 1:
                raise TypeError(f"no enumerator, or several: {v!r}")
            return ends[0]
        if words == ["char", "*"] and isinstance(v, str):
            return v.encode()
        if words[0] in self.headers.structs and "*" not in words:
            return self.filled(words[0], v or {}, live)
        if len(words) == 2 and words[1] == "*" and isinstance(v, (list, tuple, int, float)):
            v = v if isinstance(v, (list, tuple)) else [v]
            live.append((self.ctype(words[0]) * max(len(v), 1))(*v))
            return ctypes.cast(live[-1], ctypes.c_void_p)
        return v

    def filled(self, name, fields, live):
        known = {field: t for t, field in self.headers.structs[name]}
        wrong = [f for f in fields if f not in known]
        if wrong:
            raise TypeError(f"{name} has no field {wrong[0]}")
        made = self.struct(name)()
        for field, v in fields.items():
            setattr(made, field, self.value(known[field], v, live))
        live.append(made)
        return made

    # ---- calls

    def result(self, text, raw):
        if text == "pons_array":
            return self.checked(raw)
        if text == "pons_dtype":
            return self.dtype_names[raw]
        if text == "pons_shape":
            return tuple(ctypes.cast(raw.at, ctypes.POINTER(ctypes.c_int64))[:raw.count]) if raw.count else ()
        if text == "char *":
            text = ctypes.string_at(raw).decode() if raw else None
            self.plain["pons_free"](raw)
            return text
        return raw.decode() if isinstance(raw, bytes) else raw

    def checked(self, handle):
        text = self.plain["pons_error_of"](handle) if handle else self.plain["pons_error"]()
        if text or not handle:
            raise PonsError((text or b"no array").decode())
        return Array(self, handle)

    def call(self, name, *given, out=None):
        """Calls a function; see the top of the file. Returns its result, or its results if it has `out` parameters."""
        result, params = self.headers.functions[name]
        if not self.plain[name]:
            raise AttributeError(f"{name} is declared and not exported")
        given, live, args, outs, i = list(given), [], [], [], 0
        for k, (t, label) in enumerate(params):
            before = params[k - 1] if k else ("", "")
            if t == "pons_array *" or t.startswith("pons_array ["):
                size = int(t[12:-1]) if t.endswith("]") else out if label in ("out", "outs") else 1
                outs.append((ctypes.c_void_p * max(size or 0, 1))())
                args.append(ctypes.cast(outs[-1], ctypes.c_void_p))
                outs[-1].size = size or 0
            elif t == "int" and re.fullmatch(r"count|n|n_\w+", label) and before[0] == "const pons_array *":
                args.append(len(given[i - 1]) if given[i - 1] is not None else 0)
            else:
                args.append(self.value(t, given[i], live))
                i += 1
        if i != len(given):
            raise TypeError(f"{name} takes {i} arguments, not {len(given)}")
        self.plain["pons_clear_error"]()
        raw = self.plain[name](*args)
        if not outs:
            return self.result(result, raw)
        if result == "bool" and not raw:
            raise PonsError((self.plain["pons_error"]() or b"false without an error").decode())
        failed = self.plain["pons_error"]()  # without an error NULL is a result that there isn't
        return [self.checked(a) for list_ in outs for a in list_[:list_.size] if a or failed]

    def __getattr__(self, short):
        name = "pons_" + short
        if name in self.headers.macros:
            function, struct, first = self.headers.macros[name]
            if struct is None:
                return getattr(self, function[len("pons_"):])

            def with_options(*given, out=None, **fields):
                order = [f for _, f in self.headers.structs[struct]]
                order = order[order.index(first) if first else 0:]
                fields = {**dict(zip(order, given)), **fields}
                return self.call(function, fields, out=out)
            made = with_options
        elif name in self.headers.functions:
            names = [label for t, label in self.headers.functions[name][1]]

            def with_arguments(*given, out=None, **named):
                rest = [n for n in names if n in named]
                return self.call(name, *given, *[named[n] for n in rest], out=out)
            made = with_arguments
        else:
            raise AttributeError(f"{name} is not in the headers")
        setattr(self, short, made)
        return made

    @contextlib.contextmanager
    def scope(self):
        mark = self.plain["pons_scope_open"]()
        try:
            yield
        finally:
            self.plain["pons_scope_close"](mark)

    # ---- arrays and NumPy; bfloat16 goes as uint16

    def from_bits(self, a, dtype):
        """A row-major copy of a NumPy array of items as wide as the dtype's."""
        made = self.plain["pons_array_from"](a.ctypes.data, self.numbers(self.struct("pons_shape"), ctypes.c_int64, a.shape),
                                             self.dtypes[dtype])
        return self.checked(made)

    def to_bits(self, x, numpy_dtype):
        import numpy as np
        a = np.empty(self.shape_of(x), numpy_dtype)
        if not self.plain["pons_copy_out"](x.handle, a.ctypes.data):
            raise PonsError((self.plain["pons_error"]() or b"not copied").decode())
        return a

    # ---- functions of arrays

    def function(self, call, results):
        """A pons_function (the caller's own) that calls `call` on a list of arrays."""
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int,
                                ctypes.POINTER(ctypes.c_void_p), ctypes.c_int)

        def callback(_, given, n_in, out, n_out):
            try:
                made = call(*[Array(self, given[i]) for i in range(n_in)])
                made = list(made) if isinstance(made, (list, tuple)) else [made]
                handles = [a.handle for a in made]
            except PonsError as e:
                self.library.pons_fail.restype = ctypes.c_void_p
                handles = [self.library.pons_fail(b"callback", b"%s", str(e).encode())] * n_out
            for i in range(n_out):
                out[i] = handles[i]
        made = kind(callback)
        handle = self.plain["pons_function_new"](ctypes.cast(made, ctypes.c_void_p), results, None, None)
        self.made[handle] = made
        return handle

    def release(self, function):
        self.plain["pons_function_release"](function)
        self.made.pop(function, None)

    def vjp_of(self, call, primals, cotangents):
        """The gradients of call(*primals) by each primal, for one cotangent per result."""
        function = self.function(call, len(cotangents))
        live, n, m = [], len(primals), len(cotangents)
        out, grads = (ctypes.c_void_p * m)(), (ctypes.c_void_p * n)()
        self.plain["pons_clear_error"]()
        fine = self.plain["pons_vjp"](function, self.value("pons_array *", primals, live), n,
                                      self.value("pons_array *", cotangents, live), m,
                                      ctypes.cast(out, ctypes.c_void_p), ctypes.cast(grads, ctypes.c_void_p))
        self.release(function)
        if not fine:
            raise PonsError((self.plain["pons_error"]() or b"vjp: no error told").decode())
        return [self.checked(g) for g in grads]


def load():
    """The library that PONS_LIBRARY names, as ctest sets it, or that of the dev build."""
    given = os.environ.get("PONS_LIBRARY")
    return Binding(given or os.path.join(HERE, "..", "..", "..", "build", "dev", "lib", "libpons.so"))
