"""NVIDIA's GPUs."""

# Written by tools/python-stubs from the module's docstrings.

def is_available() -> bool:
    """Is there a CUDA device?"""
