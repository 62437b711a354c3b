"""All figures of a measurement."""

from deploy.privacy_check.boxes import of_photo
from deploy.privacy_check.decency import nsfw_scores
from deploy.privacy_check.figures import found_again, recall, recall_table, recognised_again
from deploy.privacy_check.judges import Judges
from deploy.privacy_check.measuring import Findings
from deploy.privacy_check.speed import speed
from deploy.privacy_check.types import Photo, Pixels


def report(
    findings: Findings, photos: list[tuple[Photo, Pixels]], *, judges: Judges, runs: int
) -> dict[str, object]:
    """Return the figures, fit for JSON; times each filter `runs` times."""
    figures: dict[str, object] = {
        "faces": len({photo.name for photo, _ in photos}),
        "placements": len(findings.placed),
        "recall": recall(findings.placed),
        "by size": recall_table(findings.placed),
        "missed": sorted({one.name for one in findings.placed if not one.blurred}),
        "false boxes a scene": round(findings.false_boxes / findings.scenes, 3),
        "found again": found_again(findings.placed, judges.detectors),
    }
    if judges.embed is not None:
        gallery = {
            photo.name: judges.embed(pixels, of_photo(photo, pixels)) for photo, pixels in photos
        }
        figures["recognised again"] = recognised_again(findings.embedded, gallery)
    figures["nsfw"] = nsfw_scores(photos)
    figures["milliseconds"] = speed(findings.raws, runs=runs)
    return figures
