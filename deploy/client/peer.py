"""A WebRTC connection that sends one video track, as the platform takes it."""

from collections.abc import Sequence

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from deploy.client.errors import Message


async def offering_peer(
    track: MediaStreamTrack, *, codec: str = "VP8", ice_servers: Sequence[Message] = ()
) -> RTCPeerConnection:
    """Return a connection that has its offer ready, complete with candidates.

    Args:
        track: video; it goes no way but out.
        codec: `VP8` or `H264`, the two that the platform takes.
        ice_servers: as the platform names them; none are used but these.
    """
    # Without a configuration aiortc would ask a public STUN server.
    servers = [RTCIceServer(**server) for server in ice_servers]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
    transceiver = peer.addTransceiver(track, direction="sendonly")
    transceiver.setCodecPreferences(_capabilities(codec))
    await peer.setLocalDescription(await peer.createOffer())
    return peer


async def accept(peer: RTCPeerConnection, sdp: str) -> None:
    """Connect to whoever gave this answer."""
    await peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))


def _capabilities(codec: str) -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpSender.getCapabilities("video")
    wanted = (f"VIDEO/{codec}", "VIDEO/RTX")  # RTX sends lost packets again.
    return [known for known in capabilities.codecs if known.mimeType.upper() in wanted]
