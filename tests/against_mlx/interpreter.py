"""A slow interpreter of .mlxfn files in NumPy, with nothing of Pons: what the primitives mean, a second time.

call(doc, args, kwargs) runs a file that reader.py has read on lists of (value, dtype name).
"""
import math
import zipfile

import numpy as np

import reader as D

NP = {name: t for _, (name, _, t) in D.DTYPES.items()}
NP["bfloat16"] = np.dtype("<f4")  # values kept as float32, rounded after every op
FLOATS = {"float16", "float32", "float64", "bfloat16"}


def bf16_round(x):
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    nan = np.isnan(x)
    r = ((u.astype(np.uint64) + 0x7FFF + ((u >> 16) & 1)) & 0xFFFF0000).astype(np.uint32)
    r = np.where(nan, u | 0x400000, r) & np.uint32(0xFFFF0000)
    return r.astype(np.uint32).view(np.float32).reshape(np.shape(x))


def cast(x, dt):
    x = np.asarray(x)
    with np.errstate(all="ignore"):
        if dt == "bfloat16":
            return bf16_round((x.real if np.iscomplexobj(x) else x).astype(np.float32))
        if dt == "bool":
            return x != 0
        if np.iscomplexobj(x) and dt != "complex64":
            x = x.real
        if x.dtype.kind == "f" and NP[dt].kind in "iu":
            x = np.trunc(x)
        return x.astype(NP[dt])


def raw_to_value(arr, dt):
    if dt == "bfloat16":
        return (arr.astype(np.uint32) << 16).view(np.float32).reshape(arr.shape)
    return arr


def bits_of(x, dt):
    """little-endian bytes of the array, as MLX stores it"""
    if dt == "bfloat16":
        return (np.ascontiguousarray(x, np.float32).view(np.uint32) >> 16).astype("<u2")
    return np.ascontiguousarray(x, NP[dt])


# ---------------------------------------------------------------- numerics
_erf = np.vectorize(math.erf, otypes=[np.float64])


def erfinv(y):
    y = np.asarray(y, np.float64)
    a = 0.147
    with np.errstate(all="ignore"):
        ln = np.log1p(-y * y)
        t = 2 / (math.pi * a) + ln / 2
        x = np.sign(y) * np.sqrt(np.sqrt(t * t - ln / a) - t)
        for _ in range(4):
            x = x - (_erf(np.where(np.isfinite(x), x, 0)) - y) / (2 / math.sqrt(math.pi) * np.exp(-x * x))
    x = np.where(y == 1, np.inf, np.where(y == -1, -np.inf, x))
    return x


def threefry(key, c0, c1):
    """20-round Threefry 2x32 on arrays of counters."""
    m = np.uint64(0xFFFFFFFF)
    k = [np.uint64(key[0]), np.uint64(key[1])]
    k.append(k[0] ^ k[1] ^ np.uint64(0x1BD11BDA))
    x = (c0.astype(np.uint64) + k[0]) & m
    y = (c1.astype(np.uint64) + k[1]) & m
    rot = [(13, 15, 26, 6), (17, 29, 16, 24)]
    for i in range(5):
        for r in rot[i % 2]:
            x = (x + y) & m
            y = ((y << np.uint64(r)) | (y >> np.uint64(32 - r))) & m
            y ^= x
        x = (x + k[(i + 1) % 3]) & m
        y = (y + k[(i + 2) % 3] + np.uint64(i + 1)) & m
    return x.astype(np.uint32), y.astype(np.uint32)


def random_words(key, nwords):
    """nwords uint32 for one key: first half pairs with second half; an odd
    count puts one extra word, made with counter (half, 0), in the middle."""
    half, odd = divmod(nwords, 2)
    out = np.zeros(nwords, np.uint32)
    c = np.arange(half, dtype=np.uint64)
    a, b = threefry(key, c, c + np.uint64(half + odd))
    out[:half], out[half + odd:] = a, b
    if odd:
        out[half] = threefry(key, np.array([half], np.uint64), np.array([0], np.uint64))[0][0]
    return out


FP4 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6], np.float32)
FP4 = np.concatenate([FP4, -FP4])


def e4m3(u):
    u = u.astype(np.int64)
    s, e, m = np.where(u & 128, -1.0, 1.0), (u >> 3) & 15, u & 7
    v = np.where(e == 0, m * 2.0 ** -9, (1 + m / 8) * 2.0 ** (e - 7))
    return (s * np.where((u & 127) == 127, np.nan, v)).astype(np.float32)


def unpack(w, bits):
    """uint32 words (last axis) -> unsigned codes; a row is one little-endian bit string"""
    b = np.unpackbits(np.ascontiguousarray(w, "<u4").view(np.uint8), axis=-1, bitorder="little")
    b = b.reshape(*w.shape[:-1], -1, bits).astype(np.int64)
    return (b << np.arange(bits)).sum(-1)


def dequant(w, scales, biases, gs, bits, mode, gscale=None):
    codes = unpack(w, bits)
    if mode == "affine":
        s, b = np.repeat(scales, gs, -1).astype(np.float64), np.repeat(biases, gs, -1).astype(np.float64)
        return codes * s + b
    vals = FP4[codes] if bits == 4 else e4m3(codes)
    sc = e4m3(scales) if mode == "nvfp4" else 2.0 ** (scales.astype(np.int64) - 127)
    sc = sc.astype(np.float64)
    if gscale is not None:
        sc = sc * float(gscale) / (448 * 6)
    return vals * np.repeat(sc, gs, -1)


def quant_affine(w, gs, bits):
    g = w.reshape(*w.shape[:-1], -1, gs).astype(np.float32)
    mx, mn = g.max(-1, keepdims=True), g.min(-1, keepdims=True)
    neg = np.abs(mn) > np.abs(mx)
    n = np.float32(2 ** bits - 1)
    s = np.maximum((mx - mn) / n, np.float32(1e-7))
    if bits == 1:  # no room for an exact edge
        codes = np.clip(np.round((g - mn) / s), 0, n).astype(np.int64).reshape(w.shape)
        return pack(codes, 1), s[..., 0], mn[..., 0]
    s = np.where(neg, s, -s)
    edge = np.where(neg, mn, mx)
    q0 = np.round(edge / s)
    s = np.where(q0 != 0, edge / np.where(q0 == 0, 1, q0), s)
    b = np.where(q0 == 0, np.float32(0), edge)
    q = np.clip(np.round((g - b) / s), 0, n).astype(np.uint32).reshape(w.shape)
    return pack(q.astype(np.int64), bits), s[..., 0], b[..., 0]


def pack(codes, bits):
    """a row of unsigned codes -> uint32 words"""
    bit = ((codes[..., None] >> np.arange(bits)) & 1).astype(np.uint8).reshape(*codes.shape[:-1], -1)
    return np.packbits(bit, axis=-1, bitorder="little").view("<u4")


def to_e4m3(x):
    """nearest, ties to the even code; 448 for what is beyond, and for NaN"""
    table = e4m3(np.arange(127)).astype(np.float64)
    size = np.abs(np.where(np.isnan(x), 448, x).astype(np.float64))
    size = np.minimum(size, 448)
    high = np.clip(np.searchsorted(table, size), 1, 126)
    low, up = size - table[high - 1], table[high] - size
    code = np.where((low < up) | ((low == up) & (high % 2 == 1)), high - 1, high)
    return (code | np.where(np.signbit(x), 128, 0)).astype(np.uint8)


def quant_float(w, gs, mode, dt, gscale=None):
    """groups of E2M1 or E4M3 codes under a scale of a byte; quotients are rounded to the dtype of w"""
    g = w.reshape(*w.shape[:-1], -1, gs).astype(np.float64 if dt == "float64" else np.float32)
    share = cast(np.abs(g).max(-1, keepdims=True) / g.dtype.type(448 if mode == "mxfp8" else 6), dt)
    if mode == "nvfp4":
        widen = np.float32(1) if gscale is None else np.float32(448 * 6) / np.float32(gscale)
        scales = to_e4m3(share * widen)
        by = e4m3(scales).astype(g.dtype)
        y = cast(np.where(by == 0, 0, g / np.where(by == 0, 1, by)), dt) * widen
    else:
        mantissa, exponent = np.frexp(share)
        exponent = np.where(share == 0, 0, np.where(mantissa == 0.5, exponent - 1, exponent))
        scales = (exponent + 127).astype(np.uint8)
        y = g / np.exp2(exponent.astype(g.dtype))
    if mode == "mxfp8":
        codes = to_e4m3(y)
    else:
        codes = np.abs(y[..., None] - FP4[:8]).argmin(-1)  # the first of equals, which is the smaller
        other = np.abs(y[..., None] - FP4).argmin(-1)
        codes = np.where(y < 0, other, codes)
    return pack(codes.reshape(w.shape).astype(np.int64), 8 if mode == "mxfp8" else 4), scales[..., 0]


def broadcast_gather(idx):
    return np.broadcast_arrays(*idx) if idx else []


def conv(x, w, st):
    n, sp = x.shape[0], x.ndim - 2
    x, w = x.astype(np.float64), w.astype(np.float64)
    g, co = st["groups"], w.shape[0]
    idil, kdil = st["input_dilation"], st["kernel_dilation"]
    if st["flip"]:
        w = np.flip(w, tuple(range(1, 1 + sp)))
    d = np.zeros((n,) + tuple((s - 1) * k + 1 for s, k in zip(x.shape[1:-1], idil)) + x.shape[-1:])
    d[(slice(None),) + tuple(slice(None, None, k) for k in idil)] = x
    d = np.pad(d, [(0, 0)] + list(zip(st["pad_lo"], st["pad_hi"])) + [(0, 0)])
    ks = [(k - 1) * q + 1 for k, q in zip(w.shape[1:-1], kdil)]
    os_ = [(a - k) // s + 1 for a, k, s in zip(d.shape[1:-1], ks, st["stride"])]
    out = np.zeros((n, *os_, co))
    cg, og = x.shape[-1] // g, co // g
    for k in np.ndindex(*w.shape[1:-1]):
        sl = (slice(None),) + tuple(slice(i * q, i * q + (o - 1) * s + 1, s)
                                    for i, q, o, s in zip(k, kdil, os_, st["stride"]))
        patch = d[sl]
        for j in range(g):
            out[..., j * og:(j + 1) * og] += patch[..., j * cg:(j + 1) * cg] @ \
                w[(slice(j * og, (j + 1) * og),) + k].T
    return out


def sdpa(ins, st, dts):
    q, k, v = (i.astype(np.float64) for i in ins[:3])
    rest = list(ins[3:])
    rdt = list(dts[3:])
    sinks = None
    if st.get("has_sinks"):
        sinks, _ = rest.pop(), rdt.pop()
    mask = None if st.get("causal") or not rest else (rest[0], rdt[0])
    rep = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, rep, 1), np.repeat(v, rep, 1)
    s = st["scale"] * q @ np.swapaxes(k, -1, -2)
    if st.get("causal"):
        lq, lk = s.shape[-2:]
        s = np.where(np.arange(lk)[None] <= np.arange(lq)[:, None] + lk - lq, s, -np.inf)
    elif mask is not None:
        s = np.where(mask[0], s, -np.inf) if mask[1] == "bool" else s + mask[0]
    m = s.max(-1, keepdims=True)
    if sinks is not None:
        sk = sinks.astype(np.float64)[None, :, None, None]
        m = np.maximum(m, sk)
    m = np.where(np.isfinite(m), m, 0)
    e = np.exp(s - m)
    den = e.sum(-1, keepdims=True)
    if sinks is not None:
        den = den + np.exp(sk - m)
    out = [(e / den) @ v]
    if st.get("output_logsumexp"):
        out.append(m + np.log(den))
    return out


def rope(ins, st):
    x, off = ins[0].astype(np.float64), np.asarray(ins[1])
    d, half = st["dims"], st["dims"] // 2
    T = x.shape[-2]
    if len(ins) == 3:
        inv = 1.0 / ins[2].astype(np.float64)
    else:
        inv = np.exp(-np.arange(half) * math.log(st["base"]) / half)
    pos = np.arange(T)[None, :] + off.reshape(-1, 1)
    th = (pos * st["scale"])[..., None] * inv
    th = th.reshape((th.shape[0],) + (1,) * (x.ndim - 3) + th.shape[1:])
    c, s = np.cos(th), np.sin(th)
    if not st["forward"]:
        s = -s
    y = x.copy()
    if st["traditional"]:
        a, b = x[..., 0:d:2], x[..., 1:d:2]
        y[..., 0:d:2], y[..., 1:d:2] = a * c - b * s, a * s + b * c
    else:
        a, b = x[..., :half], x[..., half:d]
        y[..., :half], y[..., half:d] = a * c - b * s, a * s + b * c
    return y


def hadamard_matrix(m):
    """Order 12: Paley's second construction with the quadratic character of 5; 20 and 28: Williamson's array."""
    if m == 1:
        return np.ones((1, 1))
    if m == 12:
        chi = np.array([0, 1, -1, -1, 1])
        conference = np.ones((6, 6))
        conference[1:, 1:] = chi[(np.arange(5)[None] - np.arange(5)[:, None]) % 5]
        np.fill_diagonal(conference, 0)
        return np.kron(conference, [[1, 1], [1, -1]]) + np.kron(np.eye(6), [[1, -1], [-1, -1]])
    firsts = {20: ("+----", "+----", "++--+", "+-++-"), 28: ("+------", "++----+", "+-+--+-", "+--++--")}
    rows = [np.where(np.array(list(f)) == "+", 1.0, -1.0) for f in firsts[m]]
    a, b, c, d = (np.array([np.roll(r, k) for k in range(len(r))]) for r in rows)
    return np.block([[a, b, c, d], [-b, a, -d, c], [-c, d, a, -b], [-d, -c, b, a]])


def hadamard(x, scale):
    n = x.shape[-1]
    m = next(m for m in (1, 12, 20, 28) if n % m == 0 and n // m & (n // m - 1) == 0)
    h = hadamard_matrix(m)
    assert (h @ h.T == m * np.eye(m)).all()
    while h.shape[0] < n:
        h = np.kron(h, [[1, 1], [1, -1]])
    return x.astype(np.float64) @ h.T * scale


def scatter_into(dst, where, upd, kind):
    if kind == "none":
        for pos in np.ndindex(upd.shape):
            dst[tuple(wd[pos] for wd in where)] = upd[pos]
        return
    op = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}[kind]
    op.at(dst, tuple(where), upd)


UNARY = {
    "Abs": np.abs, "ArcCos": np.arccos, "ArcCosh": np.arccosh, "ArcSin": np.arcsin,
    "ArcSinh": np.arcsinh, "ArcTan": np.arctan, "ArcTanh": np.arctanh, "Ceil": np.ceil,
    "Conjugate": np.conj, "Cos": np.cos, "Cosh": np.cosh, "Erf": _erf, "ErfInv": erfinv,
    "Exp": np.exp, "Expm1": np.expm1, "Floor": np.floor, "Imag": np.imag, "Real": np.real,
    "Log1p": np.log1p, "LogicalNot": np.logical_not, "Negative": np.negative,
    "Round": np.round, "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Sin": np.sin, "Sinh": np.sinh, "Square": lambda x: x * x, "Tan": np.tan, "Tanh": np.tanh,
    "StopGradient": lambda x: x, "Copy": lambda x: x,
}
BINARY = {
    "Add": np.add, "Subtract": np.subtract, "Multiply": np.multiply, "ArcTan2": np.arctan2,
    "Equal": np.equal, "NotEqual": np.not_equal, "Greater": np.greater,
    "GreaterEqual": np.greater_equal, "Less": np.less, "LessEqual": np.less_equal,
    "LogicalAnd": np.logical_and, "LogicalOr": np.logical_or, "Maximum": np.maximum,
    "Minimum": np.minimum, "Remainder": np.mod,
}


def run_op(e, ins, dts, shapes):
    """ins: numpy values, dts: their MLX dtypes; returns a list of arrays."""
    op, st, out_dt = e["op"], e["state"], e["dtypes"]
    x = ins[0] if ins else None
    wide = [i.astype(np.float64) if d in FLOATS else i for i, d in zip(ins, dts)]
    isint = bool(dts) and dts[0] not in FLOATS and dts[0] != "complex64"
    if op in UNARY:
        a = wide[0]
        if isint and op in ("Floor", "Ceil", "Round"):
            return [x]
        if dts[0] == "complex64":
            a = x.astype(np.complex128)
        return [UNARY[op](a)]
    if op == "Sign" and dts[0] == "bool":
        return [x]
    if op == "Sign":
        return [np.sign(wide[0]) if dts[0] != "complex64" else
                np.where(x == 0, x, x / np.abs(x))]
    if op == "Subtract" and dts[0] == "bool":
        return [ins[0] ^ ins[1]]
    if op == "Remainder" and isint:
        zero = ins[1] == 0  # NumPy says 0
        return [np.where(zero, ins[0], np.mod(*(i.astype(np.uint8) if dts[0] == "bool" else i for i in ins)))]
    if op in BINARY:
        a, b = (i.astype(np.complex128) if d == "complex64" else i for i, d in zip(wide, dts))
        r = BINARY[op](a, b)
        if op == "Equal" and st["equal_nan"]:
            r = r | (np.isnan(a) & np.isnan(b))
        return [r]
    if op == "Divide":
        if isint:
            return [(wide[0] / wide[1])]
        return [np.true_divide(wide[0], wide[1])]
    if op == "FloorDivide" and dts[0] == "complex64":
        return [wide[0] / wide[1]]  # MLX floors no complex number
    if op == "FloorDivide":
        return [np.floor_divide(wide[0], wide[1])]
    if op == "DivMod":
        # floors since 0.32.2; older releases truncated and gave the C remainder
        return [np.floor_divide(wide[0], wide[1]), np.mod(wide[0], wide[1])]
    if op == "Power":
        return [np.power(*wide)]
    if op == "LogAddExp" and dts[0] == "complex64":
        low, high = np.where(ins[0].real < ins[1].real, *ins), np.where(ins[0].real < ins[1].real, *ins[::-1])
        return [high + np.log(1 + np.exp(low.astype(np.complex128) - high))]
    if op == "LogAddExp":
        return [np.logaddexp(*wide)]
    if op == "Select":
        return [np.where(ins[0], ins[1], ins[2])]
    if op == "BitwiseBinary":
        return [{"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
                 "left_shift": np.left_shift, "right_shift": np.right_shift}[st["op"]](*ins)]
    if op == "Log":
        f = {"two": np.log2, "ten": np.log10, "e": np.log}[st["base"]]
        return [f(wide[0])]
    if op == "Sqrt":
        r = np.sqrt(wide[0])
        return [1 / r if st["reciprocal"] else r]
    if op == "AsType":
        return [x]
    if op == "View":
        src = bits_of(x, dts[0])
        dst = np.dtype("<u2") if st["dtype"] == "bfloat16" else NP[st["dtype"]]
        return [raw_to_value(src.view(dst), st["dtype"])]
    if op == "Full":
        return [np.broadcast_to(x, shapes[0]).copy()]
    if op == "Arange":
        # first and second element are formed in the output type, the rest extrapolate
        n = shapes[0][0]
        if out_dt[0] in FLOATS or out_dt[0] == "complex64":
            part = {"complex64": "float32"}.get(out_dt[0], out_dt[0])
            a = cast(st["start"], part).astype(np.float64)
            b = cast(st["start"] + st["step"], part).astype(np.float64)
        else:
            a, b = int(st["start"]), int(st["start"] + st["step"])
        return [a + np.arange(n) * (b - a)]
    # ---- shape
    if op in ("Reshape", "Flatten", "Unflatten", "Squeeze", "ExpandDims"):
        return [x.reshape(shapes[0])]
    if op in ("Broadcast", "BroadcastAxes"):
        return [np.broadcast_to(x, shapes[0])]
    if op == "Transpose":
        return [np.transpose(x, st["axes"])]
    if op == "AsStrided":
        flat = x.reshape(-1)
        idx = np.full(shapes[0], st["offset"], np.int64)
        for ax, (n, s) in enumerate(zip(st["shape"], st["strides"])):
            idx = idx + (np.arange(n) * s).reshape([-1 if i == ax else 1 for i in range(len(shapes[0]))])
        return [flat[idx]]
    if op == "Slice":
        out = x
        for ax, (a, s, n) in enumerate(zip(st["start"], st["strides"], shapes[0])):
            out = np.take(out, a + s * np.arange(n), axis=ax)
        return [out]
    if op == "SliceUpdate":
        out = x.copy()
        u = ins[1]
        grid = np.ix_(*[a + s * np.arange(n) for a, s, n in zip(st["start"], st["strides"], u.shape)])
        f = {"none": lambda o, v: v, "sum": np.add, "prod": np.multiply, "max": np.maximum,
             "min": np.minimum}[st.get("kind", "none")]
        out[grid] = f(out[grid], u)
        return [out]
    if op == "DynamicSlice":
        start = [0] * x.ndim
        for k, ax in enumerate(st["axes"]):
            start[ax] = int(ins[1].reshape(-1)[k])
        return [x[tuple(slice(a, a + n) for a, n in zip(start, st["slice_size"]))]]
    if op == "DynamicSliceUpdate":
        out, u = x.copy(), ins[1]
        start = [0] * x.ndim
        for k, ax in enumerate(st["axes"]):
            start[ax] = int(ins[2].reshape(-1)[k])
        out[tuple(slice(a, a + n) for a, n in zip(start, u.shape))] = u
        return [out]
    if op == "Concatenate":
        return [np.concatenate(ins, st["axis"])]
    if op == "Split":
        return np.split(x, st["indices"], st["axis"])
    if op == "Pad":
        pads = [(0, 0)] * x.ndim
        for ax, lo, hi in zip(st["axes"], st["low"], st["high"]):
            pads[ax] = (lo, hi)
        return [np.pad(x, pads, constant_values=ins[1].reshape(-1)[0])]
    if op == "NumberOfElements":
        n = float(np.prod([x.shape[a] for a in st["axes"]]))
        return [np.array(1 / n if st["inverted"] else n)]
    if op == "Depends":
        return list(ins[:len(shapes)])
    # ---- reductions
    if op == "Reduce":
        ax = tuple(st["axes"])
        k = st["kind"]
        a = wide[0]
        if dts[0] == "bool" and k in ("sum", "prod"):
            a = a.astype(np.int64)
        f = {"and": np.all, "or": np.any, "sum": np.sum, "prod": np.prod, "min": np.min, "max": np.max}[k]
        return [f(a, axis=ax, keepdims=True)]
    if op == "ArgReduce":
        f = np.argmin if st["kind"] == "argmin" else np.argmax
        return [np.expand_dims(f(wide[0], axis=st["axis"]), st["axis"])]
    if op == "LogSumExp":
        m = wide[0].max(-1, keepdims=True)
        m = np.where(np.isfinite(m), m, 0)
        return [np.log(np.exp(wide[0] - m).sum(-1, keepdims=True)) + m]
    if op == "Softmax":
        m = wide[0].max(-1, keepdims=True)
        ex = np.exp(wide[0] - m)
        return [ex / ex.sum(-1, keepdims=True)]
    if op == "SearchSorted":
        return [np.searchsorted(x, ins[1], side="right" if st["right"] else "left")]
    if op == "Scan":
        ax, a = st["axis"], wide[0]
        if st["reverse"]:
            a = np.flip(a, ax)
        f = {"sum": np.cumsum, "prod": np.cumprod, "max": np.maximum.accumulate,
             "min": np.minimum.accumulate, "logaddexp": np.logaddexp.accumulate}[st["kind"]]
        r = f(a, axis=ax)
        if not st["inclusive"]:
            init = {"sum": 0, "prod": 1, "max": -np.inf, "min": np.inf, "logaddexp": -np.inf}[st["kind"]]
            first = np.full_like(np.take(r, [0], ax), init)
            r = np.concatenate([first, np.delete(r, -1, ax)], ax)
        return [np.flip(r, ax) if st["reverse"] else r]
    # ---- sorting (NaN sorts last)
    if op == "Sort" or op == "Partition":
        return [np.sort(x, axis=st["axis"], kind="stable")]
    if op in ("ArgSort", "ArgPartition"):
        return [np.argsort(x, axis=st["axis"], kind="stable")]
    if op == "SearchSorted":
        return [np.searchsorted(x, ins[1], side="right" if st["right"] else "left")]
    # ---- indexing
    if op == "Gather":
        idx = broadcast_gather([i.astype(np.int64) for i in ins[1:]])
        ish = idx[0].shape if idx else ()
        sizes = st["slice_sizes"]
        grid = []
        for ax, n in enumerate(sizes):
            g = np.arange(n).reshape((1,) * len(ish) + tuple(-1 if j == ax else 1 for j in range(len(sizes))))
            if ax in st["axes"]:
                i = idx[st["axes"].index(ax)]
                i = np.where(i < 0, i + x.shape[ax], i)
                g = g + i.reshape(ish + (1,) * len(sizes))
            grid.append(g)
        return [np.broadcast_to(x[tuple(grid)], shapes[0]) if grid else np.broadcast_to(x, shapes[0])]
    if op == "Scatter":
        upd = ins[-1]
        idx = broadcast_gather([i.astype(np.int64) for i in ins[1:-1]])
        ni = idx[0].ndim if idx else 0
        where = []
        for ax in range(x.ndim):
            n = upd.shape[ni + ax]
            g = np.arange(n).reshape((1,) * ni + tuple(-1 if j == ax else 1 for j in range(x.ndim)))
            if ax in st["axes"]:
                i = idx[st["axes"].index(ax)]
                i = np.where(i < 0, i + x.shape[ax], i)
                g = g + i.reshape(i.shape + (1,) * x.ndim)
            where.append(np.broadcast_to(g, upd.shape))
        out = x.copy()
        scatter_into(out, where, upd, st["kind"])
        return [out]
    if op == "GatherAxis":
        i = ins[1].astype(np.int64)
        i = np.where(i < 0, i + x.shape[st["axis"]], i)
        return [np.take_along_axis(x, i, st["axis"])]
    if op == "ScatterAxis":
        i = ins[1].astype(np.int64)
        i = np.where(i < 0, i + x.shape[st["axis"]], i)
        out = x.copy()
        where = list(np.meshgrid(*[np.arange(n) for n in i.shape], indexing="ij"))
        where[st["axis"]] = i
        scatter_into(out, where, np.broadcast_to(ins[2], i.shape), st["kind"])
        return [out]
    if op == "MaskedScatter":
        out = x.copy()
        for b in range(x.shape[0]):
            sel = ins[1][b]
            out[b][sel] = ins[2][b].reshape(-1)[:int(sel.sum())]
        return [out]
    # ---- linear algebra
    if op == "Matmul":
        return [np.matmul(*[w.astype(np.complex128) if d == "complex64" else w for w, d in zip(wide, dts)])]
    if op == "AddMM":
        return [st["alpha"] * (wide[0] @ wide[1]) + st["beta"] * wide[2]]
    if op == "GatherMM":
        a = wide[0].reshape(-1, *wide[0].shape[-2:])
        b = wide[1].reshape(-1, *wide[1].shape[-2:])
        return [a[ins[2]] @ b[ins[3]]]
    if op == "BlockMaskedMM":
        bs, rest = st["block_size"], list(ins[2:])
        a, b = wide[0], wide[1]

        def grow(m, r, c):
            return np.repeat(np.repeat(m, bs, -2), bs, -1)[..., :r, :c]
        om = rest.pop(0) if len(rest) in (1, 3) else None
        if rest:
            a, b = a * grow(rest[0], *a.shape[-2:]), b * grow(rest[1], *b.shape[-2:])
        r = a @ b
        return [r * grow(om, *r.shape[-2:]) if om is not None else r]
    if op == "Convolution":
        return [conv(ins[0], ins[1], st)]
    if op == "Hadamard":
        return [hadamard(x, st["scale"])]
    if op == "FFT":
        ax, a = st["axes"], wide[0]
        if not st["real"]:
            f = np.fft.ifftn if st["inverse"] else np.fft.fftn
            return [f(x, axes=ax)]
        if not st["inverse"]:
            return [np.fft.rfftn(a, axes=ax)]
        n = [shapes[0][i] for i in ax]
        return [np.fft.irfftn(x, s=n, axes=ax)]
    if op == "QRF":
        q, rr = np.linalg.qr(wide[0])
        return [q, rr]
    if op == "SVD":
        if not st["compute_uv"]:
            return [np.linalg.svd(wide[0], compute_uv=False)]
        return list(np.linalg.svd(wide[0], full_matrices=True))
    if op == "Eigh":
        a = wide[0]
        w, v = np.linalg.eigh(a, UPLO=st["uplo"].upper())
        return [w, v] if st["compute_eigenvectors"] else [w]
    if op == "Eig":
        w, v = np.linalg.eig(wide[0])
        return [w, v] if st["compute_eigenvectors"] else [w]
    if op == "Cholesky":
        l = np.linalg.cholesky(wide[0])
        return [np.swapaxes(l.conj(), -1, -2) if st["upper"] else l]
    if op == "Inverse":
        a = wide[0]
        if st["tri"]:
            a = np.triu(a) if st["upper"] else np.tril(a)
        return [np.linalg.inv(a)]
    # ---- random, quantized, fast
    if op == "RandomBits":
        keys = x.reshape(-1, 2)
        per = int(np.prod(shapes[0], dtype=np.int64)) // max(len(keys), 1) * st["width"]
        dt = {1: "u1", 2: "<u2", 4: "<u4"}[st["width"]]
        parts = [random_words(k, -(-per // 4)).view(np.uint8)[:per] for k in keys]
        return [np.concatenate(parts).view(dt).reshape(shapes[0])]
    if op == "QuantizedMatmul":
        bi = ins[3] if len(ins) > 3 else None
        w = dequant(ins[1], ins[2], bi, st["group_size"], st["bits"], st.get("mode", "affine"))
        return [wide[0] @ (np.swapaxes(w, -1, -2) if st["transpose"] else w)]
    if op == "GatherQMM":
        bi = ins[3] if len(ins) == 6 else None
        w = dequant(ins[1], ins[2], bi, st["group_size"], st["bits"], st.get("mode", "affine"))
        w = w.reshape(-1, *w.shape[-2:])
        a = wide[0].reshape(-1, *wide[0].shape[-2:])
        b = w[ins[-1]]
        return [a[ins[-2]] @ (np.swapaxes(b, -1, -2) if st["transpose"] else b)]
    if op == "Quantize":
        if st["dequantize"]:
            af = st["mode"] == "affine"
            return [dequant(ins[0], ins[1], ins[2] if af else None, st["group_size"], st["bits"],
                            st["mode"], None if af or len(ins) < 3 else ins[2])]
        if st["mode"] == "affine":
            return list(quant_affine(x, st["group_size"], st["bits"]))
        return list(quant_float(x, st["group_size"], st["mode"], dts[0], ins[1].reshape(-1)[0] if len(ins) > 1 else None))
    if op == "RMSNorm":
        a = wide[0]
        return [a / np.sqrt((a * a).mean(-1, keepdims=True) + st["eps"]) * wide[1]]
    if op == "LayerNorm":
        a = wide[0]
        mu = a.mean(-1, keepdims=True)
        var = ((a - mu) ** 2).mean(-1, keepdims=True)
        return [(a - mu) / np.sqrt(var + st["eps"]) * wide[1] + wide[2]]
    if op == "RMSNormVJP":
        a, w, g = wide
        n = 1 / np.sqrt((a * a).mean(-1, keepdims=True) + st["eps"])
        gw = g * w
        gx = gw * n - a * n ** 3 * (gw * a).mean(-1, keepdims=True)
        dw = (g * a * n).reshape(-1, a.shape[-1]).sum(0) if w.ndim else np.zeros(())
        return [gx, dw]
    if op == "LayerNormVJP":
        a, w, b, g = wide
        mu = a.mean(-1, keepdims=True)
        n = 1 / np.sqrt(((a - mu) ** 2).mean(-1, keepdims=True) + st["eps"])
        xh = (a - mu) * n
        gw = g * w
        gx = n * (gw - gw.mean(-1, keepdims=True) - xh * (gw * xh).mean(-1, keepdims=True))
        c = a.shape[-1]
        return [gx, (g * xh).reshape(-1, c).sum(0) if w.ndim else np.zeros(()),
                g.reshape(-1, c).sum(0) if b.ndim else np.zeros(())]
    if op == "RoPE":
        return [rope(ins, st)]
    if op == "ScaledDotProductAttention":
        return sdpa(ins, st, dts)
    raise NotImplementedError(op)


# shape inference used when the file is shapeless
def infer(e, ins):
    op, st = e["op"], e["state"]
    a = list(ins[0].shape) if ins else []
    if op in ("RandomBits",):
        return [st["shape"]]
    if op == "Broadcast":
        return [list(np.broadcast_shapes(*[i.shape for i in ins]))] if len(ins) > 1 else [st["shape"]]
    if op == "BroadcastAxes":
        ig = st["ignore_axes"]
        lead = np.broadcast_shapes(*[tuple(np.delete(i.shape, [i.ndim + k for k in ig])) for i in ins])
        out, nd = list(lead), len(lead) + len(ig)
        for k in ig:
            out.insert(nd + k, ins[0].shape[k])
        return [out]
    if op == "Reshape":
        s, n = list(st["shape"]), int(np.prod(a, dtype=np.int64))
        if -1 in s:
            k = int(-np.prod(s, dtype=np.int64))
            s[s.index(-1)] = n // k
        return [s]
    if op == "Flatten":
        i, j = st["start_axis"], st["end_axis"]
        return [a[:i] + [int(np.prod(a[i:j + 1], dtype=np.int64))] + a[j + 1:]]
    if op == "Unflatten":
        i = st["axis"]
        return [a[:i] + list(st["shape"]) + a[i + 1:]]
    if op == "ExpandDims":
        for k in st["axes"]:
            a.insert(k, 1)
        return [a]
    if op == "Squeeze":
        return [[n for i, n in enumerate(a) if i not in st["axes"]]]
    if op in ("AsStrided", "Full", "Arange", "Split", "DynamicSlice", "Gather", "Slice", "FFT", "Pad",
              "View"):
        return e["shapes"]
    return None


def call(doc, args, kwargs):
    """args: list of (value, dtype); kwargs: dict of the same. Returns such a list."""
    names = sorted(kwargs, key=lambda s: s.encode())
    flat = list(args) + [kwargs[k] for k in names]
    fn = None
    for f in doc["functions"]:
        if len(f["inputs"]) != len(flat) or any(k not in kwargs for k in f["kwarg_keys"]):
            continue
        ok = all(dt == d and len(s) == np.ndim(v) and (doc["shapeless"] or list(s) == list(np.shape(v)))
                 for (s, d), (v, dt) in zip(f["inputs"], flat))
        if ok:
            fn = f
            break
    if fn is None:
        raise KeyError("no trace matches the call")
    env = {i: v for i, v in zip(fn["input_ids"], flat)}
    for e in fn["tape"]:
        if e["kind"] == "input":
            continue
        if e["kind"].startswith("constant"):
            c = doc["constants"][e["id"]]
            env[e["id"]] = (raw_to_value(c["value"], c["dtype"]), c["dtype"])
            continue
        pairs = [env[i] for i in e["inputs"]]
        ins, dts = [np.asarray(p[0]) for p in pairs], [p[1] for p in pairs]
        shapes = e["shapes"]
        if doc["shapeless"]:
            shapes = infer(e, ins) or shapes
        with np.errstate(all="ignore"):
            outs = run_op(e, ins, dts, shapes)
        for k, (i, o, dt) in enumerate(zip(e["output_ids"], outs, e["dtypes"])):
            o = cast(o, dt)
            if not doc["shapeless"] and list(o.shape) != list(e["shapes"][k]):
                raise AssertionError(f"{e['op']}: got shape {o.shape}, file says {e['shapes'][k]}")
            env[i] = (o, dt)
    return [env[i] for i in fn["output_ids"]]


# ---------------------------------------------------------------- files
def load_npz(path):
    out = {}
    with zipfile.ZipFile(path) as z:
        for n in z.namelist():
            with z.open(n) as fh:
                a = np.lib.format.read_array(fh)
            dt = "bfloat16" if a.dtype.kind == "V" else next(
                k for k, t in NP.items() if t == a.dtype.newbyteorder("<") and k != "bfloat16")
            out[n[:-4]] = (raw_to_value(a.view("<u2"), dt) if dt == "bfloat16" else a, dt)
    return out


# ---------------------------------------------------------------- comparing
LEAST = {"bfloat16": 2e-2, "float16": 4e-3}  # a last bit, where computing in another order may end in another


def difference(got, want, rtol=2e-5, atol=2e-5):
    """None if (value, dtype) `got` agrees with `want`, else what differs. Integers must be the same."""
    (g, gd), (w, wd) = got, want
    if gd != wd:
        return f"dtype {gd}, not {wd}"
    if np.shape(g) != np.shape(w):
        return f"shape {np.shape(g)}, not {np.shape(w)}"
    if wd in FLOATS or wd == "complex64":
        rtol, atol = max(rtol, LEAST.get(wd, 2e-5)), max(atol, LEAST.get(wd, 2e-5))
        same = np.isclose(g, w, rtol=rtol, atol=atol, equal_nan=True)
    else:
        same = np.equal(g, w)
    if np.all(same):
        return None
    at = tuple(int(i) for i in np.argwhere(~np.asarray(same))[0])
    return f"element {at}: {np.asarray(g)[at]}, not {np.asarray(w)[at]}"
