"""What this machine has, and whether a model fits on it. Standard library only.

It runs before any environment exists, on every Python from 3.11. ``sources`` reads the machine (or
a recording of one), ``amd``, ``nvidia`` and ``system`` make frozen dataclasses of what was read
(``facts``), ``judge_gpus``, ``judge_system`` and ``judge_model`` say what that means, ``report``
prints it, ``cli`` is the command.
"""
