"""What a stranger may send to a stream's UDP port, from a fixed seed."""

import random
import struct
from collections.abc import Iterator, Sequence

from aioice import stun

LENGTHS = (0, 1, 2, 11, 12, 13, 19, 20, 21, 100, 1200, 1499, 1500, 1501, 2000, 3000)
FIRST_BYTES = (0, 1, 3, 4, 19, 20, 22, 63, 64, 79, 80, 127, 128, 144, 191, 192, 255)


def datagrams(seed: int, count: int, *, real: Sequence[bytes] = ()) -> Iterator[bytes]:
    """Yield so many datagrams; `real` ones of a connection are mutated among them."""
    rng = random.Random(seed)
    makers = [_noise, _looks_like, _stun, _dtls, *([_mutated] if real else [])]
    for _ in range(count):
        yield rng.choice(makers)(rng, real)


def _noise(rng: random.Random, _: Sequence[bytes]) -> bytes:
    return rng.randbytes(rng.choice(LENGTHS))


def _looks_like(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Something whose first byte says RTP, RTCP, DTLS, TURN or STUN, of any length."""
    return bytes([rng.choice(FIRST_BYTES)]) + rng.randbytes(rng.choice(LENGTHS))


def _stun(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A STUN message with wrong credentials, or with attributes that are cut short."""
    kind = rng.choice([0x0001, 0x0101, 0x0111, 0x0003, 0x0016, 0x3FFF])
    body = b""
    for _ in range(rng.randint(0, 6)):
        name = rng.choice([0x0006, 0x0008, 0x0009, 0x0020, 0x0024, 0x0025, 0x8028, 0x802A, 0x7777])
        value = rng.randbytes(rng.choice([0, 1, 2, 3, 4, 8, 20]))
        claimed = rng.choice([len(value), len(value), 0xFFFF, 1])
        body += struct.pack("!HH", name, claimed) + value
    claimed = rng.choice([len(body), len(body), len(body), 0xFFFF, 0])
    return struct.pack("!HHI", kind, claimed, stun.COOKIE) + rng.randbytes(12) + body


def _dtls(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A DTLS record: alerts that close, handshake messages, application data, all forged."""
    kind = rng.choice([20, 21, 22, 23, 25])
    version = rng.choice([0xFEFF, 0xFEFD, 0x0303, 0xFFFF])
    body = rng.choice([b"\x01\x00", b"\x02\x28", b"\x01" + rng.randbytes(60), rng.randbytes(300)])
    claimed = rng.choice([len(body), len(body), 0xFFFF])
    header = struct.pack(
        "!BHHIHH", kind, version, rng.choice([0, 1]), 0, rng.randint(0, 9), claimed
    )
    return header + body


def _mutated(rng: random.Random, real: Sequence[bytes]) -> bytes:
    """A real datagram with some bytes changed, cut off, or added."""
    data = bytearray(rng.choice(real))
    for _ in range(rng.randint(1, 8)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.3:
        del data[rng.randrange(len(data) + 1) :]
    if rng.random() < 0.2:
        data += rng.randbytes(rng.choice(LENGTHS))
    return bytes(data)
