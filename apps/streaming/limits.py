"""The largest frame a camera may send."""

from dataclasses import dataclass

_MACROBLOCK = 16  # Pixels a side: codecs code whole ones.
_STRIDE = 64


@dataclass(frozen=True)
class FrameLimits:
    """A frame is allowed if it fits into this rectangle, upright or turned (pixels)."""

    max_width: int = 1920
    max_height: int = 1080

    def __post_init__(self) -> None:
        """Refuse a rectangle without content."""
        if self.max_width < 1 or self.max_height < 1:
            raise ValueError("The largest frame must have at least one pixel.")

    def allow(self, width: int, height: int) -> bool:
        """Tell whether a decoded picture of that size fits."""
        return _fits(width, height, self.max_width, self.max_height)

    def allow_coded(self, width: int, height: int) -> bool:
        """Tell whether a coded size fits: codecs pad pictures to whole macroblocks."""
        return _fits(
            width,
            height,
            _padded(self.max_width, _MACROBLOCK),
            _padded(self.max_height, _MACROBLOCK),
        )

    @property
    def max_pixels(self) -> int:
        """Pixels a decoder may allocate for one picture; FFmpeg counts padded rows."""
        return _padded(self.max_width, _STRIDE) * _padded(self.max_height, _STRIDE)


def _fits(width: int, height: int, max_width: int, max_height: int) -> bool:
    if width < 1 or height < 1:
        return False
    longer, shorter = max(width, height), min(width, height)
    return longer <= max(max_width, max_height) and shorter <= min(max_width, max_height)


def _padded(edge: int, multiple: int) -> int:
    return -(-edge // multiple) * multiple
