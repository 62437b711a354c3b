"""Camera frames from decoder to model: filtered, resized, encoded and kept for seconds only."""
