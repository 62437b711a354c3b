"""A browser's camera over WebRTC: one peer connection a session, its newest frame on demand."""
