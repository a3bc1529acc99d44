"""Apple's GPUs; memory functions under their old names."""

# Written by tools/python-stubs from the module's docstrings.

def clear_cache() -> None:
    """Gives what is kept for reuse back to the system."""

def device_info() -> dict[str, str | int]:
    """The default device."""

def get_active_memory() -> int:
    """Bytes in arrays."""

def get_cache_memory() -> int:
    """Bytes kept for reuse."""

def get_peak_memory() -> int:
    """The greatest sum of bytes in arrays since the start or reset_peak_memory."""

def is_available() -> bool:
    """Is there a Metal device?"""

def reset_peak_memory() -> None:
    """The peak counts from now on."""

def set_cache_limit(limit: int) -> int:
    """Bytes that are kept for reuse at most; returns the value before."""

def set_memory_limit(limit: int) -> int:
    """Bytes beyond which an op fails; returns the value before."""

def set_wired_limit(limit: int) -> int:
    """Bytes that stay resident for a GPU that pages; returns the value before."""

def start_capture(path: str) -> None:
    """Captures Metal's work into a file."""

def stop_capture() -> None:
    """Ends the capture."""
