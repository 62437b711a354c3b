"""``python3 -m deploy.models``: the models that are known by a short name."""

from deploy.models.catalogue import DEFAULT_MODEL, KNOWN_MODELS

if __name__ == "__main__":
    for model in KNOWN_MODELS:
        size = f"{'about ' if model.estimated else ''}{model.shape.weight_bytes / 1e9:.1f} GB"
        default = " (default)" if model is DEFAULT_MODEL else ""
        print(f"{model.name}{default}: {model.repository}, {size}, for {model.made_for}.")  # noqa: T201
        print(f"    {model.differs}")  # noqa: T201
