"""Which offers are answered, and how their text is cleaned before anything else reads it.

Pure: text in, text out. One video track from the camera, VP8 or H.264, nothing else. Remote
candidates are removed: aioice would send checks to whatever address an offer names, private ones
included. The camera's own checks tell us where it is.
"""

from typing import Final

from aiortc.sdp import MediaDescription, SessionDescription

from apps.contract import ErrorCode, Refusal

CODECS: Final = ("VP8", "H264")

MAX_OFFER_BYTES: Final = 65_536
MAX_LINES: Final = 1_000
MAX_CODECS: Final = 100

_CANDIDATE_LINES: Final = ("a=candidate", "a=end-of-candidates", "a=remote-candidates")
_FINGERPRINTS: Final = ("sha-256", "sha-384", "sha-512")


def vet_offer(sdp: str, *, max_bytes: int = MAX_OFFER_BYTES) -> str:
    """Return the offer without its candidates, or raise a `Refusal` that says why."""
    if not isinstance(sdp, str) or not sdp.startswith("v=0"):
        raise Refusal(ErrorCode.OFFER_INVALID, "The offer is not a valid SDP text.")
    if len(sdp) > max_bytes or len(sdp.encode("utf-8", "surrogatepass")) > max_bytes:
        raise Refusal(ErrorCode.OFFER_TOO_LARGE, f"The offer is larger than {max_bytes} bytes.")
    # The parser splits at the same line ends, so no candidate hides behind an unusual one.
    lines = [line for line in sdp.splitlines() if not _is_candidate(line)]
    _check_volume(lines)
    cleaned = "\r\n".join(lines) + "\r\n"
    _check_media(_parse(cleaned))
    return cleaned


def _is_candidate(line: str) -> bool:
    return line.lstrip().lower().startswith(_CANDIDATE_LINES)


def _check_volume(lines: list[str]) -> None:
    """Refuse what the parser, quadratic in codecs times attributes, would choke on."""
    codecs = sum(line.startswith("a=rtpmap") for line in lines)
    if len(lines) > MAX_LINES or codecs > MAX_CODECS:
        raise Refusal(ErrorCode.OFFER_INVALID, "The offer has more lines than a camera needs.")


def _parse(sdp: str) -> SessionDescription:
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:
        # The parser asserts, indexes and converts; whatever it trips over is not an offer.
        raise Refusal(ErrorCode.OFFER_INVALID, "The offer is not a valid SDP text.") from error
    if any(media.ice_candidates or media.ice_candidates_complete for media in description.media):
        raise Refusal(ErrorCode.OFFER_INVALID, "The offer hides its candidates.")
    return description


def _check_media(description: SessionDescription) -> None:
    kinds = [media.kind for media in description.media]
    if "audio" in kinds:
        raise Refusal(ErrorCode.AUDIO_REFUSED, "Audio is not accepted: offer one video track only.")
    if "application" in kinds:
        raise Refusal(ErrorCode.DATA_CHANNEL_REFUSED, "Data channels are not accepted.")
    if kinds.count("video") > 1:
        raise Refusal(ErrorCode.TOO_MANY_TRACKS, "Only one video track is accepted.")
    if kinds != ["video"]:
        raise Refusal(ErrorCode.VIDEO_MISSING, "The offer has no video track.")
    _check_video(description.media[0])


def _check_video(media: MediaDescription) -> None:
    if media.direction not in ("sendonly", "sendrecv", None) or media.port == 0:
        raise Refusal(ErrorCode.VIDEO_MISSING, "The offer's video track sends nothing.")
    if not any(_name(codec.mimeType) in CODECS for codec in media.rtp.codecs):
        raise Refusal(ErrorCode.CODEC_UNSUPPORTED, "The camera must offer VP8 or H.264.")
    if not (media.ice and media.ice.usernameFragment and media.ice.password):
        raise Refusal(ErrorCode.OFFER_INVALID, "The offer has no ICE credentials.")
    if media.dtls is None or not any(
        fingerprint.algorithm.lower() in _FINGERPRINTS for fingerprint in media.dtls.fingerprints
    ):
        raise Refusal(ErrorCode.OFFER_INVALID, "The offer has no certificate fingerprint.")
    if not media.rtcp_mux:
        raise Refusal(ErrorCode.OFFER_INVALID, "The offer does not multiplex RTCP.")


def _name(mime_type: str) -> str:
    return mime_type.partition("/")[2].upper()
