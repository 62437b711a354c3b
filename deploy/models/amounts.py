"""Bytes as people read them."""


def amount(count: float) -> str:
    """Return a number of bytes in the decimal units of disks and model pages (1 GB = 10⁹)."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            value = count / size
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{count:.0f} bytes"
