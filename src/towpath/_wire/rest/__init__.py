"""REST by the bindings of `google.api.http`: which method a path means, its request from path, query and body, and errors as problems."""

from towpath._wire.rest.binding import Binding
from towpath._wire.rest.dialect import RestStreamDialect, RestUnaryDialect, error_response
from towpath._wire.rest.router import Match, NoMatch, Router

__all__ = ["Binding", "Match", "NoMatch", "RestStreamDialect", "RestUnaryDialect", "Router", "error_response"]
