"""nvrtc_test.py: the kernels of the CUDA backend compiled by NVIDIA's own compiler, old and new. No GPU is needed.

`pons selftest`, which has each fixed kernel, and tests with generated and custom kernels have run on the doubles (tests/cuda_double) before
it, with a folder of their own for compiled kernels, empty at first (cmake/tests.cmake): what lies in it are the texts of the kernels they used. A file of kernels has many texts, for dtypes
and forms. Each NVRTC under build/nvrtc (./do deps fetches them from PyPI) compiles one text or more of each file, each version others: the first for
each of the architectures that it knows, the others for one of them in turn. A kernel of the sources that is in no
text, a text that does not compile, and a planted one that does, fail the test. What is compiled is not run.
"""

import collections
import ctypes
import glob
import multiprocessing
import os
import re
import struct
import sys

SOURCE, BUILD = os.environ["PONS_SOURCE_DIR"], os.environ["PONS_BUILD_DIR"]
ARCHS = [70, 75, 80, 86, 89, 90, 100]
TEXTS = f"{BUILD}/tests/nvrtc_texts"
MOST = 100  # texts per version, or one of each file, if these are more: all would take hours
PLANTED = "typedef struct pair { int a; } pair;\nKERNEL planted(GLOBAL int *y, NUMBERS) { *y = ((pair){nowhere}).a; }\n"


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def texts_used():
    """The options and the texts of the kernels that the tests before used."""
    found = {}
    for file in sorted(glob.glob(f"{TEXTS}/*.kernel")):
        with open(file, "rb") as f:
            whole = f.read()
        key_size = struct.unpack("<8sQQQ", whole[:32])[1]
        device, text = whole[32 : 32 + key_size].split(b"\n", 1)
        found[text] = [o for o in device.split() if o.startswith(b"--")]
    return [(options, text) for text, options in found.items()]


def kernels_of(text):
    """The names of the kernels that a text or a file defines, as they stand in it."""
    return tuple(re.findall(rb"^(?:extern \"C\" __global__ void|KERNEL) (?:\w+\([^\n]*?\) )?(\w+)\(", text, re.M))


def kernels_of_sources():
    """Of src/backends/gpu and cuda."""
    files = [f for folder in ("gpu", "cuda") for f in glob.glob(f"{SOURCE}/src/backends/{folder}/*.kc")]
    return {name for file in files for name in kernels_of(open(file, "rb").read())}


def chosen(texts, place, versions):
    """Of each file's texts those that are this version's in turn, one at least, the first of each file first; no more than MOST, if there are not
    more files. And how many files there are."""
    files = collections.defaultdict(list)
    for options, text in texts:
        files[kernels_of(text)].append((options, text))
    shares = [own[place % len(own) :: versions] for _, own in sorted(files.items())]
    turns = [share[turn] for turn in range(max(map(len, shares))) for share in shares if turn < len(share)]
    return turns[: max(MOST, len(shares))], len(shares)


class Compiler:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        major, minor, count = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self.call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        known = (ctypes.c_int * count.value)()
        self.call("nvrtcGetSupportedArchs", known)
        self.major, self.version = major.value, f"{major.value}.{minor.value}"
        self.archs = [a for a in ARCHS if a in list(known)]

    def call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        assert status == 0, f"{name}: status {status}"

    def compile(self, text, options, arch):
        """The size of the machine code, and what the compiler says."""
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        self.call("nvrtcCreateProgram", ctypes.byref(program), text, b"kernel", 0, None, None)
        all_options = [*options, b"--gpu-architecture=sm_%s" % str(arch).encode()]
        status = self.library.nvrtcCompileProgram(program, len(all_options),
                                                  (ctypes.c_char_p * len(all_options))(*all_options))
        self.call("nvrtcGetProgramLogSize", program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value + 1)
        self.call("nvrtcGetProgramLog", program, log)
        size.value = 0
        if status == 0:
            self.call("nvrtcGetCUBINSize", program, ctypes.byref(size))
        self.call("nvrtcDestroyProgram", ctypes.byref(program))
        return size.value, log.value.decode(errors="replace")


def check_version(job):
    """What one NVRTC makes of the texts: its version, how many per architecture, and what is wrong."""
    place, versions, path, texts = job
    compiler = Compiler(path)
    counts, wrong = collections.Counter(), []
    own, files = chosen(texts, place, versions)
    for i, (options, text) in enumerate(own):
        archs = [a for a in compiler.archs if a >= 80 or b"mma.sync" not in text]  # matrix units
        if b"wgmma" in text:  # of warpgroups
            archs = ["90a"] if compiler.major >= 12 else []
        if not archs:
            continue
        for arch in archs if i < files else [archs[(i + place) % len(archs)]]:
            counts[arch] += 1
            size, log = compiler.compile(text, options, arch)
            if size > 0:
                continue
            wrong.append(f"NVRTC {compiler.version}, sm_{arch}: {log}\n{text[max(text.rfind(b'KERNEL '), len(text) - 4000) :].decode()}")
    options, text = next((o, t) for o, t in texts if b"k_erfinv_f64" in t)
    prologue = text[: text.index(b"#endif", text.rindex(b"k_erfinv_f64"))] + b"#endif\n#endif\n"
    for planted, fine in [(PLANTED, False), (PLANTED.replace("nowhere", "1").replace("((pair){1}).a", "1"), True)]:
        size, log = compiler.compile(prologue + planted.encode(), options, compiler.archs[-1])
        if (size > 0) != fine:
            wrong.append(f"NVRTC {compiler.version}: the planted kernel {'compiles' if size else 'does not'}: {log}")
    return compiler.version, counts, wrong


def main():
    libraries = sorted(glob.glob(f"{SOURCE}/build/nvrtc/*/libnvrtc.so.*"))
    if not libraries:
        skip("no NVRTC under build/nvrtc; ./do deps fetches it")
    if os.environ.get("PONS_SANITIZE"):
        skip("texts are what they are without sanitizers")
    if not os.path.exists(f"{BUILD}/tests/cuda_double/libcuda.so.1") or "PONS_COMMAND" not in os.environ:
        skip("no doubles of CUDA's libraries, or no command: nothing has used a kernel")
    texts = texts_used()
    kernels = {name for _, text in texts for name in kernels_of(text)}
    missing = sorted(kernels_of_sources() - kernels)
    assert not missing, f"no text of {missing}"
    own, files = chosen(texts, 0, len(libraries))
    print(f"{len(texts)} texts of {len(kernels)} kernels; each version compiles {len(own)}, of which {files} for each architecture")
    failed = False
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for version, counts, wrong in pool.imap(check_version, [(i, len(libraries), path, texts) for i, path in enumerate(libraries)]):
            print(f"NVRTC {version}:", ", ".join(f"sm_{a} {n}" for a, n in sorted(counts.items(), key=str)))
            for text in wrong[:3]:
                print(text)
            failed = failed or bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
