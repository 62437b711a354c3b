"""What clients are promised of errors: the codes, the close codes, and the one exception of both.

A leaf: it imports nothing of the platform and no framework, so that every package may refuse in
its words. `docs/protocol.md` and `SECURITY.md` are checked against it.
"""

from apps.contract.codes import CloseCode, ErrorCode
from apps.contract.refusal import Refusal

__all__ = ["CloseCode", "ErrorCode", "Refusal"]
