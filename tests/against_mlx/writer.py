"""Writes .mlxfn files in the layout of any MLX release since 0.22.0, with nothing of Pons.

    f = Writer("0.32.4")
    x = f.input("float32", [2, 3])
    y, = f.op("Softmax", [x], {"precise": True}, [("float32", [2, 3])])
    f.function([], [y], {"x": x})
    f.save(path)
"""
import struct

import numpy as np
import reader


class Bytes:
    def __init__(self):
        self.b = bytearray()

    def pack(self, form, *values):
        self.b += struct.pack("<" + form, *values)

    def text(self, s):
        raw = s if isinstance(s, bytes) else s.encode("utf-8", "surrogateescape")
        self.pack("Q", len(raw))
        self.b += raw

    def list(self, form, items):
        self.pack("Q", len(items))
        for item in items:
            self.pack(form, *item) if isinstance(item, (list, tuple)) else self.pack(form, item)

    def scalar(self, kind, value):
        self.pack("i", ["int", "float", "bool"].index(kind))
        self.pack({"int": "i", "float": "f", "bool": "B"}[kind], value)

    def dtype(self, name, old):
        code = reader.DTYPE_CODE[name]
        if old and code > 11:
            code -= 1
        self.pack("iB", code, reader.DTYPES[reader.DTYPE_CODE[name]][1])

    def field(self, kind, value, old):
        if kind in "iqQfd":
            self.pack(kind, value)
        elif kind == "b":
            self.pack("B", bool(value))
        elif kind == "D":
            self.dtype(value, old)
        elif kind == "s":
            self.text(value)
        elif kind in "ILUS":
            self.list({"I": "i", "L": "q", "U": "Q", "S": "BBB"}[kind], value)
        elif kind == "3":
            self.pack("iii", *value)
        elif kind == "O":
            self.pack("B", value is not None)
            if value is not None:
                self.pack("f", value)
        elif kind == "V":
            self.pack("Q", len(value))
            for item in value:
                self.scalar(*item)
        else:
            self.pack("i", kind[2:].split(",").index(value))


class Writer:
    def __init__(self, version, shapeless=False, metadata="", device="cpu"):
        self.version, self.shapeless, self.metadata, self.device = version, shapeless, metadata, device
        self.release = reader.parse_version(version)
        self.schema = reader.schema_for(self.release)
        self.functions = []
        self.ids = 0

    def _value(self, kind, dtype, shape, **more):
        self.ids += 1
        return {"id": self.ids, "kind": kind, "dtype": dtype, "shape": list(shape), **more}

    def input(self, dtype, shape):
        return self._value("input", dtype, shape)

    def constant(self, value, dtype):
        value = np.ascontiguousarray(value)
        return self._value("constant", dtype, value.shape, raw=value.tobytes())

    def op(self, name, operands, state, results, device=None):
        node = {"op": name, "in": operands, "state": state, "device": device or self.device}
        node["out"] = [self._value("result", d, s, node=node) for d, s in results]
        return node["out"]

    def function(self, inputs, outputs, keywords=None):
        keys = sorted(keywords or {}, key=str.encode)
        self.functions.append((list(inputs) + [keywords[k] for k in keys], list(outputs), keys))

    @staticmethod
    def _tape(outputs):
        tape, seen = [], set()

        def visit(v):
            key = id(v["node"]) if "node" in v else v["id"]
            if key in seen:
                return
            seen.add(key)
            for operand in v["node"]["in"] if "node" in v else []:
                visit(operand)
            tape.append(v)
        for v in outputs:
            visit(v)
        return tape

    def bytes(self):
        o, old = Bytes(), self.release < (0, 23, 0)
        o.text(self.version)
        o.pack("iB", len(self.functions), self.shapeless)
        if self.release >= (0, 32, 1):
            o.text(self.metadata)
        written = set()
        for inputs, outputs, keys in self.functions:
            o.pack("Q", len(keys))
            for k in keys:
                o.text(k)
            o.list("Q", [v["id"] for v in inputs])
            o.pack("Q", len(inputs))
            for v in inputs:
                o.list("i", v["shape"])
                o.dtype(v["dtype"], old)
            o.list("Q", [v["id"] for v in outputs])
            tape = self._tape(outputs)
            o.pack("Q", len(tape))
            for v in tape:
                self._entry(o, v, written, old)
        return bytes(o.b)

    def _entry(self, o, v, written, old):
        o.pack("QB", v["id"], "node" in v)
        if v["kind"] == "input":
            o.pack("B", 0)
        elif v["kind"] == "constant":
            o.pack("B", 1)
            if v["id"] not in written:
                written.add(v["id"])
                o.list("i", v["shape"])
                o.dtype(v["dtype"], old)
                o.b += v["raw"]
        else:
            n = v["node"]
            o.list("Q", [i["id"] for i in n["in"]])
            o.pack("iii", 0, n["device"] == "gpu", 0)
            o.text(n["op"])
            for name, kind in self.schema[n["op"]]:
                o.field(kind, n["state"][name], old)
            out = n["out"]
            o.pack("Q", len(out) - 1)
            if len(out) > 1:
                o.list("Q", [r["id"] for r in out])
                o.pack("Q", len(out))
            for r in out:
                o.list("i", r["shape"])
            if len(out) > 1:
                o.pack("Q", len(out))
            for r in out:
                o.dtype(r["dtype"], old)

    def save(self, path):
        with open(path, "wb") as file:
            file.write(self.bytes())
