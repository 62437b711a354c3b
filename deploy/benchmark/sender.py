"""An aiortc sender of timecoded frames in a process of its own.

    python -m deploy.benchmark.sender '{"framerate": 10}'

Prints its offer as a JSON line, reads the answer from standard input, and sends until that closes.
"""

import asyncio
import json
import sys
from dataclasses import replace

from deploy.benchmark.pictures import SHAPES, TimecodedTrack
from deploy.client.peer import accept, offering_peer


async def send(framerate: float) -> None:
    """Send until standard input closes."""
    track = TimecodedTrack(replace(SHAPES["asking"], framerate=framerate))
    peer = await offering_peer(track)
    print(json.dumps({"offer": peer.localDescription.sdp}), flush=True)
    answer = json.loads(await asyncio.to_thread(sys.stdin.readline))["answer"]
    await accept(peer, answer)
    await asyncio.to_thread(sys.stdin.read)
    await peer.close()


if __name__ == "__main__":
    asyncio.run(send(json.loads(sys.argv[1])["framerate"]))
