"""What all services of the shop put around their calls: who calls, and a line about each call."""

from shop_layers.audit import Audit
from shop_layers.signatures import SignedIn, Signing, token_of

__all__ = ["Audit", "SignedIn", "Signing", "token_of"]
