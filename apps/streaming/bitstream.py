"""Parses the header of an encoded frame: keyframe or not, and its size, without decoding it.

Sources: RFC 6386 section 9.1 (VP8 frame header), ITU-T H.264 sections 7.3.1 and 7.3.2.1.1 (NAL
unit and sequence parameter set), annex B (start codes).
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

Size = tuple[int, int]
"""Width and height in pixels."""

_VP8_START_CODE: Final = b"\x9d\x01\x2a"
_VP8_KEYFRAME_HEADER: Final = 10

_IDR_SLICE: Final = re.compile(rb"\x00\x00\x01[\x05\x25\x45\x65]")
_PARAMETER_SET: Final = re.compile(rb"\x00\x00\x01[\x07\x27\x47\x67]")
_NEXT_UNIT: Final = re.compile(rb"\x00\x00[\x00\x01]")
_MAX_PARAMETER_SETS: Final = 8
_MAX_PARAMETER_SET_BYTES: Final = 1024

_CHROMA_PROFILES: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""profile_idc values whose parameter sets carry chroma format, bit depth and scaling lists."""


class MalformedFrame(Exception):
    """The bytes are not a frame of the codec they were sent as."""


@dataclass(frozen=True)
class FrameHeader:
    """Whether decoding may start here, and every picture size that the frame declares."""

    keyframe: bool
    sizes: tuple[Size, ...] = ()


def inspect(codec: str, data: bytes) -> FrameHeader:
    """Return the header of one encoded frame of `codec` ("VP8" or "H264").

    Raises `MalformedFrame` when the bytes contradict the codec, ValueError for another codec.
    """
    if codec == "VP8":
        return _inspect_vp8(data)
    if codec == "H264":
        return _inspect_h264(data)
    raise ValueError(f"{codec} frames are not known here.")


def _inspect_vp8(data: bytes) -> FrameHeader:
    if not data:
        raise MalformedFrame("A VP8 frame is empty.")
    if data[0] & 1:
        return FrameHeader(keyframe=False)
    if len(data) < _VP8_KEYFRAME_HEADER or data[3:6] != _VP8_START_CODE:
        raise MalformedFrame("A VP8 keyframe has no start code.")
    # 14 bits each; the upper two are a scaling hint for the player.
    width = int.from_bytes(data[6:8], "little") & 0x3FFF
    height = int.from_bytes(data[8:10], "little") & 0x3FFF
    return FrameHeader(keyframe=True, sizes=((width, height),))


def _inspect_h264(data: bytes) -> FrameHeader:
    starts = [
        match.end() for match in islice(_PARAMETER_SET.finditer(data), 1 + _MAX_PARAMETER_SETS)
    ]
    if len(starts) > _MAX_PARAMETER_SETS:
        raise MalformedFrame("An H.264 frame carries too many sequence parameter sets.")
    sizes = tuple(_declared_size(_unit(data, start)) for start in starts)
    return FrameHeader(keyframe=_IDR_SLICE.search(data) is not None, sizes=sizes)


def _unit(data: bytes, start: int) -> bytes:
    """Return the NAL unit payload from `start`, emulation prevention bytes removed."""
    window = data[start : start + _MAX_PARAMETER_SET_BYTES]
    end = _NEXT_UNIT.search(window)
    return window[: end.start() if end else None].replace(b"\x00\x00\x03", b"\x00\x00")


class _Bits:
    """Reads big-endian bit fields and Exp-Golomb codes (H.264 section 9.1)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next `count` bits as an unsigned number."""
        if count > self._left:
            raise MalformedFrame("An H.264 sequence parameter set is cut short.")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        """Return the next ue(v)."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
            if zeros > 31:
                raise MalformedFrame("An H.264 sequence parameter set holds a number too large.")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Return the next se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _declared_size(parameter_set: bytes) -> Size:
    """Return the coded size, before cropping: it is what a decoder allocates."""
    bits = _Bits(parameter_set)
    profile = bits.take(8)
    bits.take(16)  # constraint flags, level_idc
    bits.unsigned()  # seq_parameter_set_id
    if profile in _CHROMA_PROFILES:
        _skip_chroma(bits)
    bits.unsigned()  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.take(1)  # gaps_in_frame_num_value_allowed_flag
    columns = bits.unsigned() + 1
    rows = bits.unsigned() + 1
    frames_only = bits.take(1)
    return 16 * columns, 16 * rows * (2 - frames_only)


def _skip_chroma(bits: _Bits) -> None:
    chroma_format = bits.unsigned()
    if chroma_format == 3:
        bits.take(1)  # separate_colour_plane_flag
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.take(1)  # qpprime_y_zero_transform_bypass_flag
    if not bits.take(1):  # seq_scaling_matrix_present_flag
        return
    for index in range(12 if chroma_format == 3 else 8):
        if bits.take(1):
            _skip_scaling_list(bits, 16 if index < 6 else 64)


def _skip_scaling_list(bits: _Bits, length: int) -> None:
    last = following = 8
    for _ in range(length):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.take(1)  # delta_pic_order_always_zero_flag
        bits.signed()  # offset_for_non_ref_pic
        bits.signed()  # offset_for_top_to_bottom_field
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()  # offset_for_ref_frame
