"""Reads .mlxfn files in the layout of every MLX release since 0.22.0, with nothing of Pons.

load(path) gives a dictionary; check(doc) the list of what is wrong with it.
"""
import struct

import numpy as np

# ---------------------------------------------------------------- dtypes
# code -> (name, size in bytes, numpy type used to hold the raw bytes)
DTYPES = {
    0: ("bool", 1, np.dtype("?")),
    1: ("uint8", 1, np.dtype("u1")),
    2: ("uint16", 2, np.dtype("<u2")),
    3: ("uint32", 4, np.dtype("<u4")),
    4: ("uint64", 8, np.dtype("<u8")),
    5: ("int8", 1, np.dtype("i1")),
    6: ("int16", 2, np.dtype("<i2")),
    7: ("int32", 4, np.dtype("<i4")),
    8: ("int64", 8, np.dtype("<i8")),
    9: ("float16", 2, np.dtype("<f2")),
    10: ("float32", 4, np.dtype("<f4")),
    11: ("float64", 8, np.dtype("<f8")),
    12: ("bfloat16", 2, np.dtype("<u2")),  # raw bits
    13: ("complex64", 8, np.dtype("<c8")),
}
# before 0.23.0 there was no float64, so bfloat16 and complex64 were one lower
DTYPES_OLD = {**{k: DTYPES[k] for k in range(11)}, 11: DTYPES[12], 12: DTYPES[13]}
DTYPE_CODE = {v[0]: k for k, v in DTYPES.items()}


class FormatError(Exception):
    pass


# ---------------------------------------------------------------- state schemas
# Field types:
#   i int32   q int64   Q uint64   b bool(1 byte)   f float32   d float64
#   D dtype (int32 code + uint8 size)   s string   I vector<int32>
#   L vector<int64>   U vector<uint64>   3 three int32
#   S vector of three bools   O optional<float32>   V vector of tagged scalars
#   e:<a,b,c> int32 enum with these names
SCAN = "e:max,min,sum,prod,logaddexp"
SCAT = "e:max,min,sum,prod,none"
QMODE = "e:affine,mxfp4,mxfp8,nvfp4"

NO_STATE = """
Abs Add ArcCos ArcCosh ArcSin ArcSinh ArcTan ArcTan2 ArcTanh Ceil Conjugate Copy
Cos Cosh Depends Divide DivMod Erf ErfInv Exp Expm1 Floor Full Greater
GreaterEqual Imag Less LessEqual Log1p LogicalNot LogicalAnd LogicalOr LogAddExp
LogSumExp MaskedScatter Matmul Maximum Minimum Multiply Negative NotEqual Power
QRF Real Remainder Round Select Sigmoid Sign Sin Sinh Square StopGradient
Subtract Tan Tanh FloorDivide
""".split()

STATE = {
    "AddMM": [("alpha", "f"), ("beta", "f")],
    "Arange": [("start", "d"), ("stop", "d"), ("step", "d")],
    "ArgPartition": [("kth", "i"), ("axis", "i")],
    "ArgReduce": [("kind", "e:argmin,argmax"), ("axis", "i")],
    "ArgSort": [("axis", "i")],
    "AsType": [("dtype", "D")],
    "AsStrided": [("shape", "I"), ("strides", "L"), ("offset", "Q")],
    "BitwiseBinary": [("op", "e:and,or,xor,left_shift,right_shift")],
    "BlockMaskedMM": [("block_size", "i")],
    "Broadcast": [("shape", "I")],
    "BroadcastAxes": [("ignore_axes", "I")],
    "Cholesky": [("upper", "b")],
    "Concatenate": [("axis", "i")],
    "Convolution": [("stride", "I"), ("pad_lo", "I"), ("pad_hi", "I"),
                    ("kernel_dilation", "I"), ("input_dilation", "I"),
                    ("groups", "i"), ("flip", "b")],
    "CustomKernel": [("name", "s"), ("source", "s"), ("grid", "3"),
                     ("threadgroup", "3"), ("shape_infos", "S"),
                     ("ensure_row_contiguous", "b"), ("init_value", "O"),
                     ("scalar_arguments", "V"), ("is_precompiled", "b"),
                     ("shared_memory", "i"),
                     ("math_mode", "e:safe,relaxed,fast")],
    "DynamicSlice": [("axes", "I"), ("slice_size", "I")],
    "DynamicSliceUpdate": [("axes", "I")],
    "Eig": [("compute_eigenvectors", "b")],
    "Eigh": [("uplo", "s"), ("compute_eigenvectors", "b")],
    "Equal": [("equal_nan", "b")],
    "ExpandDims": [("axes", "I")],
    "FFT": [("axes", "U"), ("inverse", "b"), ("real", "b"), ("odd_out", "b")],
    "Flatten": [("start_axis", "i"), ("end_axis", "i")],
    "Gather": [("axes", "I"), ("slice_sizes", "I")],
    "GatherAxis": [("axis", "i")],
    "GatherMM": [("left_sorted", "b"), ("right_sorted", "b")],
    "GatherQMM": [("group_size", "i"), ("bits", "i"), ("mode", QMODE),
                  ("transpose", "b"), ("left_sorted", "b"), ("right_sorted", "b")],
    "Hadamard": [("scale", "f")],
    "Inverse": [("tri", "b"), ("upper", "b")],
    "LayerNorm": [("eps", "f")],
    "LayerNormVJP": [("eps", "f")],
    "Log": [("base", "e:two,ten,e")],
    "NumberOfElements": [("axes", "I"), ("inverted", "b"), ("dtype", "D")],
    "Pad": [("axes", "I"), ("low", "I"), ("high", "I")],
    "Partition": [("kth", "i"), ("axis", "i")],
    "Quantize": [("group_size", "i"), ("bits", "i"), ("mode", QMODE),
                 ("dequantize", "b")],
    "QuantizedMatmul": [("group_size", "i"), ("bits", "i"), ("mode", QMODE),
                        ("transpose", "b")],
    "RandomBits": [("shape", "I"), ("width", "i")],
    "Reduce": [("kind", "e:and,or,sum,prod,min,max"), ("axes", "I")],
    "Reshape": [("shape", "I")],
    "RMSNorm": [("eps", "f")],
    "RMSNormVJP": [("eps", "f")],
    "RoPE": [("dims", "i"), ("traditional", "b"), ("base", "f"), ("scale", "f"),
             ("forward", "b")],
    "ScaledDotProductAttention": [("scale", "f"), ("causal", "b"),
                                  ("has_sinks", "b"), ("output_logsumexp", "b"),
                                  ("force_fused", "b")],
    "Scan": [("kind", SCAN), ("axis", "i"), ("reverse", "b"), ("inclusive", "b")],
    "Scatter": [("kind", SCAT), ("axes", "I")],
    "ScatterAxis": [("kind", "e:sum,none"), ("axis", "i")],
    "SearchSorted": [("right", "b")],
    "Slice": [("start", "I"), ("end", "I"), ("strides", "I")],
    "SliceUpdate": [("kind", SCAT), ("start", "I"), ("end", "I"), ("strides", "I")],
    "Softmax": [("precise", "b")],
    "Sort": [("axis", "i")],
    "Split": [("indices", "I"), ("axis", "i")],
    "Sqrt": [("reciprocal", "b")],
    "Squeeze": [("axes", "I")],
    "SVD": [("compute_uv", "b")],
    "Transpose": [("axes", "I")],
    "Unflatten": [("axis", "i"), ("shape", "I")],
    "View": [("dtype", "D")],
}
for _n in NO_STATE:
    STATE[_n] = []


def _replace(schema, name, fields):
    schema[name] = fields


def parse_version(text):
    nums = []
    for part in text.split("."):
        digits = ""
        for ch in part:
            if not ch.isdigit():
                break
            digits += ch
        if not digits:
            break
        nums.append(int(digits))
        if digits != part:
            break
    return tuple((nums + [0, 0, 0])[:3])


def schema_for(version):
    """State layouts as they were in a given release (tuple of three ints)."""
    s = dict(STATE)
    if version < (0, 32, 4):
        s["FFT"] = STATE["FFT"][:3]
        s.pop("FloorDivide", None)
    if version < (0, 32, 2):
        s["ScaledDotProductAttention"] = STATE["ScaledDotProductAttention"][:4]
    if version < (0, 32, 1):
        s.pop("SearchSorted")
    if version < (0, 32, 0):
        s["CustomKernel"] = STATE["CustomKernel"][:-1]
    if version < (0, 31, 2):
        s["SliceUpdate"] = STATE["SliceUpdate"][1:]
    if version < (0, 30, 1):
        s.pop("MaskedScatter")
    if version < (0, 30, 0):
        s.pop("CustomKernel")
        s["ScaledDotProductAttention"] = STATE["ScaledDotProductAttention"][:3]
    if version < (0, 29, 1):
        s["ScaledDotProductAttention"] = STATE["ScaledDotProductAttention"][:2]
    if version < (0, 29, 0):
        s["AffineQuantize"] = [("group_size", "i"), ("bits", "i"), ("dequantize", "b")]
        s.pop("Quantize")
        s["QuantizedMatmul"] = [("group_size", "i"), ("bits", "i"), ("transpose", "b")]
        s["GatherQMM"] = [("group_size", "i"), ("bits", "i"), ("transpose", "b"),
                          ("left_sorted", "b"), ("right_sorted", "b")]
    if version < (0, 26, 2):
        s["Convolution"] = [("pad_lo", "I"), ("pad_hi", "I"), ("stride", "I"),
                            ("kernel_dilation", "I"), ("input_dilation", "I"),
                            ("groups", "i"), ("flip", "b")]
        s.pop("GatherAxis"), s.pop("ScatterAxis")
    if version < (0, 26, 0):
        s.pop("Eig")
    if version < (0, 25, 2):
        s["Convolution"] = [("pad", "I")] + s["Convolution"][2:]
    if version < (0, 25, 0):
        s["GatherMM"] = []
        s["GatherQMM"] = s["GatherQMM"][:3]
    if version < (0, 24, 2):
        s.pop("LogSumExp")
    if version < (0, 24, 0):
        s["ScaledDotProductAttention"] = STATE["ScaledDotProductAttention"][:1]
    if version < (0, 23, 2):
        s["SVD"] = []
    return s


# ---------------------------------------------------------------- byte reader
class Cursor:
    def __init__(self, data):
        self.data = data
        self.pos = 0

    def take(self, n):
        if n < 0 or self.pos + n > len(self.data):
            raise FormatError(f"need {n} bytes at offset {self.pos}, file ends")
        out = self.data[self.pos:self.pos + n]
        self.pos += n
        return out

    def _one(self, fmt, n):
        return struct.unpack("<" + fmt, self.take(n))[0]

    def i32(self): return self._one("i", 4)
    def i64(self): return self._one("q", 8)
    def u64(self): return self._one("Q", 8)
    def u8(self): return self._one("B", 1)
    def f32(self): return self._one("f", 4)
    def f64(self): return self._one("d", 8)

    def boolean(self):
        v = self.u8()
        if v > 1:
            raise FormatError(f"bool byte is {v} at offset {self.pos - 1}")
        return bool(v)

    def count(self, item):
        n = self.u64()
        if item and n > (len(self.data) - self.pos) // item:
            raise FormatError(f"count {n} at offset {self.pos - 8} cannot fit")
        return n

    def string(self):
        n = self.count(1)
        return self.take(n).decode("utf-8", "surrogateescape")

    def vec(self, fn, item):
        return [fn() for _ in range(self.count(item))]


class Parser:
    def __init__(self, data, version=None):
        self.c = Cursor(data)
        self.forced = version

    def dtype(self):
        code, size = self.c.i32(), self.c.u8()
        if code not in self.dtypes:
            raise FormatError(f"dtype code {code} at {self.c.pos - 5}")
        name, want, _ = self.dtypes[code]
        if size != want:
            raise FormatError(f"dtype {name} with size {size}")
        return name

    def shape(self):
        return self.c.vec(self.c.i32, 4)

    def field(self, t):
        c = self.c
        if t == "i": return c.i32()
        if t == "q": return c.i64()
        if t == "Q": return c.u64()
        if t == "b": return c.boolean()
        if t == "f": return c.f32()
        if t == "d": return c.f64()
        if t == "D": return self.dtype()
        if t == "s": return c.string()
        if t == "I": return c.vec(c.i32, 4)
        if t == "L": return c.vec(c.i64, 8)
        if t == "U": return c.vec(c.u64, 8)
        if t == "3": return [c.i32(), c.i32(), c.i32()]
        if t == "S": return c.vec(lambda: [c.boolean() for _ in range(3)], 3)
        if t == "O": return c.f32() if c.boolean() else None
        if t == "V": return c.vec(self.scalar, 5)
        if t.startswith("e:"):
            names, v = t[2:].split(","), c.i32()
            if not 0 <= v < len(names):
                raise FormatError(f"enum value {v} not in {names}")
            return names[v]
        raise AssertionError(t)

    def scalar(self):
        tag = self.c.i32()
        if tag == 0: return ["int", self.c.i32()]
        if tag == 1: return ["float", self.c.f32()]
        if tag == 2: return ["bool", self.c.boolean()]
        raise FormatError(f"scalar tag {tag}")

    def stream(self):
        idx, dev, didx = self.c.i32(), self.c.i32(), self.c.i32()
        if dev not in (0, 1):
            raise FormatError(f"device type {dev}")
        return {"index": idx, "device": ["cpu", "gpu"][dev], "device_index": didx}

    def parse(self):
        c = self.c
        out = {"version": c.string()}
        v = self.forced or parse_version(out["version"])
        self.schema = schema_for(v)
        self.dtypes = DTYPES if v >= (0, 23, 0) else DTYPES_OLD
        out["function_count"] = c.i32()
        if out["function_count"] < 0:
            raise FormatError("negative function count")
        out["shapeless"] = c.boolean()
        out["metadata"] = c.string() if v >= (0, 32, 1) else None
        out["header_bytes"] = c.pos
        self.constants = {}
        out["functions"] = [self.function() for _ in range(out["function_count"])]
        out["constants"] = self.constants
        out["trailing_bytes"] = len(c.data) - c.pos
        return out

    def function(self):
        c = self.c
        f = {"offset": c.pos, "kwarg_keys": c.vec(c.string, 8),
             "input_ids": c.vec(c.u64, 8)}
        f["inputs"] = c.vec(lambda: [self.shape(), self.dtype()], 13)
        f["output_ids"] = c.vec(c.u64, 8)
        f["tape"] = [self.entry(f) for _ in range(c.count(9))]
        return f

    def entry(self, f):
        c = self.c
        e = {"offset": c.pos, "id": c.u64()}
        if c.boolean():
            e["kind"] = "op"
            e["inputs"] = c.vec(c.u64, 8)
            e["stream"] = self.stream()
            e["op"] = c.string()
            fields = self.schema.get(e["op"])
            if fields is None:
                raise FormatError(f"unknown primitive {e['op']!r} at {c.pos}")
            e["state"] = {n: self.field(t) for n, t in fields}
            e["siblings"] = c.u64()
            if e["siblings"] == 0:
                e["output_ids"] = [e["id"]]
                e["shapes"], e["dtypes"] = [self.shape()], [self.dtype()]
            else:
                e["output_ids"] = c.vec(c.u64, 8)
                e["shapes"] = c.vec(self.shape, 8)
                e["dtypes"] = c.vec(self.dtype, 5)
        elif c.boolean():
            if e["id"] in self.constants:
                e["kind"] = "constant_again"
            else:
                e["kind"] = "constant"
                shape, dt = self.shape(), self.dtype()
                np_t = DTYPES[DTYPE_CODE[dt]][2]
                n = int(np.prod(shape, dtype=np.int64)) if shape else 1
                e["data_offset"] = c.pos
                raw = c.take(n * np_t.itemsize)
                self.constants[e["id"]] = {
                    "shape": shape, "dtype": dt, "data_offset": e["data_offset"],
                    "value": np.frombuffer(raw, np_t).reshape(shape)}
        else:
            e["kind"] = "input"
        return e


def check(doc):
    """Structural checks beyond syntax; returns the list of complaints."""
    bad = []
    if doc["trailing_bytes"]:
        bad.append(f"{doc['trailing_bytes']} bytes after the last function")
    for k, f in enumerate(doc["functions"]):
        if len(f["input_ids"]) != len(f["inputs"]):
            bad.append(f"fn{k}: {len(f['input_ids'])} ids, {len(f['inputs'])} inputs")
        if f["kwarg_keys"] != sorted(f["kwarg_keys"], key=lambda s: s.encode()):
            bad.append(f"fn{k}: keyword names not in byte order")
        known = set(f["input_ids"])
        for e in f["tape"]:
            if e["kind"] == "op":
                for i in e["inputs"]:
                    if i not in known:
                        bad.append(f"fn{k}: {e['op']} uses id {i:#x} before it exists")
                if e["siblings"] and e["siblings"] + 1 != len(e["output_ids"]):
                    bad.append(f"fn{k}: {e['op']} sibling count")
                if e["id"] not in e["output_ids"]:
                    bad.append(f"fn{k}: {e['op']} entry id not among its outputs")
                if not len(e["output_ids"]) == len(e["shapes"]) == len(e["dtypes"]):
                    bad.append(f"fn{k}: {e['op']} output lists differ in length")
                known.update(e["output_ids"])
            elif e["kind"] == "input":
                if e["id"] not in f["input_ids"]:
                    bad.append(f"fn{k}: input entry for a foreign id")
            else:
                known.add(e["id"])
        for o in f["output_ids"]:
            if o not in known:
                bad.append(f"fn{k}: output id {o:#x} never produced")
    return bad


def content(doc):
    """What a document says, whatever ids and stream numbers its writer chose: per function the keywords, the
    inputs, and what the outputs are made of, numbered from the outputs backwards."""
    out = [doc["shapeless"], doc["metadata"]]
    for f in doc["functions"]:
        made = {i: e for e in f["tape"] for i in e.get("output_ids", [e["id"]])}
        names = {i: f"input {k}" for k, i in enumerate(f["input_ids"])}
        lines = []
        todo = list(reversed(f["output_ids"]))
        while todo:
            i = todo[-1]
            e = made.get(i)
            if i in names:
                todo.pop()
            elif e["kind"] == "op":
                missing = [j for j in e["inputs"] if j not in names]
                if missing:
                    todo += reversed(missing)
                    continue
                for k, j in enumerate(e["output_ids"]):
                    names[j] = f"v{len(lines)}.{k}"
                lines.append([e["op"], e["state"], e["stream"]["device"], [names[j] for j in e["inputs"]],
                              e["shapes"], e["dtypes"]])
            else:
                c = doc["constants"][i]
                names[i] = f"v{len(lines)}.0"
                lines.append(["constant", c["dtype"], c["shape"], c["value"].tobytes()])
        out.append([f["kwarg_keys"], f["inputs"], lines, [names[i] for i in f["output_ids"]]])
    return out


def load(path, version=None):
    with open(path, "rb") as fh:
        return Parser(fh.read(), version).parse()
