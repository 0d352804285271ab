"""The reasons of decisions and errors: for each of them its role, the code of the error, when it occurs and what to do about it.

The words themselves stand where they are decided. A test finds them there, and fails for one without a row here. The reasons are part of
what callers and dashboards rely on: they are in `ErrorInfo.reason`, in `Decision.reason`, and in labels of `towpath_decisions_total`.
"""

from typing import Final

from towpath._app.vocabulary.client_reasons import CLIENT_REASONS
from towpath._app.vocabulary.reason import Reason
from towpath._app.vocabulary.server_reasons import SERVER_REASONS

REASONS: Final[tuple[Reason, ...]] = (*SERVER_REASONS, *CLIENT_REASONS)
"""Every reason that towpath gives. A layer of a team's own gives reasons of its own."""
