"""The one error of a conversion."""


class ConversionError(Exception):
    """What stopped it, or what is wrong with its result: one sentence that says what to do."""
