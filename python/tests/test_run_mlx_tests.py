"""tools/run-mlx-tests on a folder of tests of our own: what passes, fails, is skipped, crashes, never ends."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pons.core
import pytest

root = pathlib.Path(__file__).parents[2]
build = pathlib.Path(pons.core.__file__).parents[2]

TESTS = """
import os, time, unittest
import mlx.core as mx
import mlx_tests

class TestThings(unittest.TestCase):
    def test_passes(self):
        print("what tests print is not the runner's")
        self.assertEqual(mlx_tests.answer, 42)
    def test_fails(self):
        self.assertTrue(False)
    def test_raises(self):
        raise ValueError("first line\\nsecond line")
    def test_fails_in_a_part(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 1)
    @unittest.skip("a reason")
    def test_skipped(self):
        pass
    def test_crashes(self):
        import ctypes
        ctypes.string_at(0)
    def test_crashes_too(self):
        os._exit(7)
    def test_of_a_crash_behind(self):
        pass
    def test_never_ends(self):
        time.sleep(1000)
    def test_z_last(self):
        self.assertEqual(mx.__name__, "SIDE.core")

@unittest.skip("all of it")
class TestNone(unittest.TestCase):
    def test_one(self):
        pass

class TestNotSetUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no set up")
    def test_one(self):
        pass
"""

EXPECTED = {
    "test_things.py::TestNone::test_one": ["skipped", "all of it"],
    "test_things.py::TestNotSetUp::test_one": ["failed", "RuntimeError: no set up [test_things.py:41]"],
    "test_things.py::TestThings::test_crashes": ["failed", "crashed: SIGSEGV [test_things.py:23]"],
    "test_things.py::TestThings::test_crashes_too": ["failed", "crashed: exit status 7"],
    "test_things.py::TestThings::test_fails": ["failed", "AssertionError: False is not true [test_things.py:11]"],
    "test_things.py::TestThings::test_fails_in_a_part": ["failed", "AssertionError: 1 == 1 [test_things.py:17]"],
    "test_things.py::TestThings::test_never_ends": ["failed", "took longer than 10 s"],
    "test_things.py::TestThings::test_of_a_crash_behind": ["passed", ""],
    "test_things.py::TestThings::test_passes": ["passed", ""],
    "test_things.py::TestThings::test_raises": ["failed", "ValueError: first line [test_things.py:13]"],
    "test_things.py::TestThings::test_skipped": ["skipped", "a reason"],
    "test_things.py::TestThings::test_z_last": ["passed", ""],
    "test_broken.py::import": ["failed", "can't be imported: NameError: name 'nonsense' is not defined [test_broken.py:1]"],
}


def folder_of_tests(folder, side="pons"):
    (folder / "mlx_tests.py").write_text("answer = 42\n")
    (folder / "test_things.py").write_text(TESTS.replace("SIDE", side))
    (folder / "test_broken.py").write_text("nonsense\n")
    return folder


def run(*arguments):
    command = [sys.executable, root / "tools/run-mlx-tests", "--python", sys.executable, "--build", build, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.skipif(bool(os.environ.get("PONS_SANITIZE")), reason="a sanitizer has its own words for a crash")
def test_every_test_has_an_outcome(tmp_path):
    done = run(folder_of_tests(tmp_path), "--limit", "10", "--json", tmp_path / "out.json")
    assert done.returncode == 1
    written = json.loads((tmp_path / "out.json").read_text())
    assert {name: outcome[:2] for name, outcome in written["tests"].items()} == EXPECTED
    assert written["counts"] == {"passed": 3, "failed": 8, "skipped": 2}
    *failures, total = done.stdout.splitlines()
    assert sorted(failures) == sorted(f"{name}: {text}" for name, (status, text) in EXPECTED.items() if status == "failed")
    assert total == "pons: 3 passed, 8 failed, 2 skipped, of 13"


def test_a_pattern_chooses_tests(tmp_path):
    done = run(folder_of_tests(tmp_path), "--only", "TestThings::test_(passes|z)")
    assert "test_things.py                   2 passed, 0 failed, 0 skipped" in done.stderr.splitlines()


def test_comparing_lists_what_passes_there_alone(tmp_path):
    folder_of_tests(tmp_path)
    peer = {name: ["passed", "", 0] for name in EXPECTED if "test_fails" in name or "passes" in name}
    (tmp_path / "peer.json").write_text(json.dumps({"tests": peer}))
    done = run(tmp_path, "--only", "test_fails|passes", "--compare", tmp_path / "peer.json")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-3:] == [
        "pass on MLX's wheel, but not on Pons: 2",
        "  test_things.py::TestThings::test_fails: AssertionError: False is not true [test_things.py:11]",
        "  test_things.py::TestThings::test_fails_in_a_part: AssertionError: 1 == 1 [test_things.py:17]",
    ]


@pytest.mark.skipif(importlib.util.find_spec("mlx") is None, reason="MLX's wheel is not installed")
def test_the_peer_is_mlx(tmp_path):
    done = run(folder_of_tests(tmp_path, "mlx"), "--peer", "--only", "test_things.py.*(z_last|passes)")
    assert "peer: 2 passed, 1 failed, 0 skipped, of 3" in done.stdout  # the broken file counts, always


def test_a_folder_without_tests_is_an_error(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2 and "no test_*.py" in done.stderr
