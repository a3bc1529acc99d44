"""nvrtc_test.py: the kernels of the CUDA backend compiled by NVIDIA's own compiler, old and new. No GPU is needed.

The tests of ops run on the doubles (tests/cuda_double), with an empty folder for compiled kernels: what lies in it afterwards are the
texts of all kernels they used, fixed and generated. Each is compiled by each NVRTC under build/nvrtc (./do deps fetches
them from PyPI), for one of the architectures it knows in turn, so that each architecture has its share of the kernels. A
text that does not compile, and a planted one that does, fail the test. What is compiled is not run.
"""

import collections
import ctypes
import glob
import multiprocessing
import os
import struct
import subprocess
import sys
import tempfile

SOURCE, BUILD = os.environ["PONS_SOURCE_DIR"], os.environ["PONS_BUILD_DIR"]
ARCHS = [70, 75, 80, 86, 89, 90, 100]
MOST = 100  # texts per version: more would take minutes; then each version has every second, third, ... of them
PROGRAMS = ["elementwise_test", "reduce_ops_test", "shape_ops_test", "index_ops_test", "index_list_test",
            "product_ops_test", "quantized_product_test", "convolution_ways_test", "attention_test", "attention_vjp_test",
            "norm_vjp_test", "made_reductions_test", "wrong_indices_test", "custom_gpu_test", "metal_kernels_test", "cuda_kernel_test",
            "fft_test"]
DEVICES = [("cuda_double", PROGRAMS), ("cuda_90", ["attention_test", "attention_vjp_test"])]  # kernels that only a GPU of that compute capability has
PLANTED = "typedef struct pair { int a; } pair;\nKERNEL planted(GLOBAL int *y, NUMBERS) { *y = ((pair){nowhere}).a; }\n"


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def texts_used(folder):
    """The options and the texts of the kernels that the tests of ops use."""
    environment = dict(os.environ, PONS_CACHE_DIR=folder)
    for device, program in [(d, p) for d, programs in DEVICES for p in programs]:
        path = os.path.join(BUILD, "tests", program)
        if not os.path.exists(path):
            skip(f"{path} is not built")
        done = subprocess.run(["sh", f"{SOURCE}/tests/on_device.sh", device, path], env=environment,
                              capture_output=True, text=True, cwd=BUILD)
        if done.returncode == 77:
            skip(done.stdout.strip())
        assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for file in sorted(glob.glob(f"{folder}/*.kernel")):
        with open(file, "rb") as f:
            whole = f.read()
        key_size = struct.unpack("<8sQQQ", whole[:32])[1]
        device, text = whole[32 : 32 + key_size].split(b"\n", 1)
        found[text] = [o for o in device.split() if o.startswith(b"--")]
    return [(options, text) for text, options in found.items()]


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
    place, path, texts = job
    compiler = Compiler(path)
    step = -(-len(texts) // MOST)
    counts, wrong = collections.Counter(), []
    for i, (options, text) in enumerate(texts[place % step :: step]):
        archs = [a for a in compiler.archs if a >= 80 or b"mma.sync" not in text]  # matrix units
        if b"wgmma" in text:  # of warpgroups
            archs = ["90a"] if compiler.major >= 12 else []
        if not archs:
            continue
        arch = archs[i % len(archs)]
        counts[arch] += 1
        size, log = compiler.compile(text, options, arch)
        if size == 0:
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
    with tempfile.TemporaryDirectory() as folder:
        texts = texts_used(folder)
    assert len(texts) > 20, f"only {len(texts)} texts"
    share = -(-len(texts) // MOST)
    print(f"{len(texts)} texts; each version compiles every {share}. of them, each for one architecture")
    failed = False
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for version, counts, wrong in pool.imap(check_version, [(i, path, texts) for i, path in enumerate(libraries)]):
            print(f"NVRTC {version}:", ", ".join(f"sm_{a} {n}" for a, n in sorted(counts.items(), key=str)))
            for text in wrong[:3]:
                print(text)
            failed = failed or bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
