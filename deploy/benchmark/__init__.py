"""Measures a running platform from outside: real WebRTC, the public API, timecoded pictures."""
