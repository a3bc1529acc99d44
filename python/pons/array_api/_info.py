"""What the namespace can do, and what it does if nothing is said."""

from .. import core

_BY_NAME = {
    name: getattr(core, "bool_" if name == "bool" else name)
    for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
}


class ArrayNamespaceInfo:
    """The standard's inspection functions."""

    def capabilities(self):
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 32}

    def default_device(self):
        return core.default_device()

    def default_dtypes(self, *, device=None):
        return {
            "real floating": core.float32,
            "complex floating": core.complex64,
            "integral": core.int32,
            "indexing": core.int64,
        }

    def devices(self):
        count = core.device_count(core.gpu)
        return [core.Device(core.cpu, 0)] + [core.Device(core.gpu, i) for i in range(count)]

    def dtypes(self, *, device=None, kind=None):
        if kind is None:
            return dict(_BY_NAME)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return {name: dtype for name, dtype in _BY_NAME.items() if core.isdtype(dtype, kinds)}


def __array_namespace_info__():
    return ArrayNamespaceInfo()
