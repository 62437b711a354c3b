"""Converts a checkpoint to 8 or 4 bits a weight and checks it: `scripts/convert_model.py`.

The linear layers of the language model are converted; vision tower, embeddings, norms and head
stay as they are. `formats` names the ways, `plan` says from headers alone what will be converted
and what that takes, `quantization` does it (the only module that needs llm-compressor, in
`.venv-convert`), `writing` makes the new folder appear whole or not at all, `verification` checks
it without torch.
"""
