"""A stand-in for a model server, for the tests and for the benchmark."""

from deploy.stand_in_model.server import Note, Script, StandInModel

__all__ = ["Note", "Script", "StandInModel"]
