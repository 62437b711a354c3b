"""Known models, what differs between them, whether one fits, and how vLLM is started with it.

Standard library only, except for the sub-packages: it runs before any environment exists.
"""
