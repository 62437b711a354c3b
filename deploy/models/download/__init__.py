"""Models from a hub into a folder that vLLM can serve, whole and checked, or not at all.

``scripts/download_model.sh`` runs ``python -m deploy.models.download`` in an environment of its
own, which holds the hubs' clients; checking a folder needs the standard library only.
"""
