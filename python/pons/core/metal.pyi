"""Apple's GPUs; memory functions under their old names."""

# Written by tools/python-stubs from the module's docstrings.

from pons.core import Device, DeviceType

def clear_cache(device: Device | DeviceType | None = None) -> None:
    """Gives what is kept for reuse back to the system, by all devices or one."""

def device_info() -> dict[str, str | int]:
    """The default device."""

def get_active_memory(device: Device | DeviceType | None = None) -> int:
    """Bytes in arrays, on all devices or one."""

def get_cache_memory(device: Device | DeviceType | None = None) -> int:
    """Bytes kept for reuse, on all devices or one."""

def get_peak_memory(device: Device | DeviceType | None = None) -> int:
    """The greatest sum of bytes in arrays since the start or reset_peak_memory, on all devices or one."""

def is_available() -> bool:
    """Is there a Metal device?"""

def reset_peak_memory(device: Device | DeviceType | None = None) -> None:
    """The peak counts from now on, of all devices or one."""

def set_cache_limit(limit: int, device: Device | DeviceType | None = None) -> int:
    """Bytes that each device, or one, keeps for reuse at most; returns the value before."""

def set_memory_limit(limit: int, device: Device | DeviceType | None = None) -> int:
    """Bytes of the host's memory beyond which an op fails, or of a GPU's, beyond which arrays give way to others; returns the value before."""

def set_wired_limit(limit: int) -> int:
    """Bytes that stay resident for a GPU that pages; returns the value before."""

def start_capture(path: str) -> None:
    """Captures Metal's work into a file."""

def stop_capture() -> None:
    """Ends the capture."""
