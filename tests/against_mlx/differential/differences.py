"""What legitimately differs between Pons and MLX 0.32.4, each as narrowly as can be said, with the reason.

    Difference(families, ops, kind, when, reason)

families: where it must explain something, or is reported as no longer needed; ops: patterns of names; kind: as judge.Case
has it; when(case): the condition, True for any. For the kind "value" it may give a mask per result: elements outside it must
agree all the same."""
from fnmatch import fnmatchcase

import numpy as np


class Difference:
    def __init__(self, families, ops, kind, when, reason):
        self.families, self.ops, self.kind, self.when, self.reason = families.split(), ops.split(), kind, when, reason

    def explains(self, case):
        if case.kind != self.kind or not any(fnmatchcase(case.op, op) for op in self.ops):
            return False
        answer = self.when(case)
        if isinstance(answer, list):
            return not any(np.any(d & ~np.asarray(a)) for d, a in zip(case.differs, answer))
        return bool(answer)

    def __repr__(self):
        return f"({' '.join(self.ops)}: {self.kind}: {self.reason})"


def float64(case):
    return "float64" in case.dtypes()


def wide_shift(case):
    """Where the second operand is no count of bits of the result's dtype."""
    bits = 8 * case.want[0].bits.dtype.itemsize
    count = case.arguments[1].wide() if hasattr(case.arguments[1], "wide") else np.asarray(case.arguments[1])
    return [np.broadcast_to((count < 0) | (count >= bits), case.want[0].shape)]


LIST = [
    Difference("elementwise", "exp sin cos sigmoid erf erfinv logaddexp", "value", float64,
               "MLX computes them in float32, whatever the dtype"),
    Difference("elementwise", "left_shift right_shift", "value", wide_shift,
               "C leaves a shift by a negative count, or by all bits and more, open; MLX gives what its vector unit makes of it"),
]
