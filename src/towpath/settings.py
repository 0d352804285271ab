"""What a service file says, as values: for applications that make their settings in code, and for tools that read service files."""

from towpath._app.settings.limits import NamedBulkhead, NamedQuota
from towpath._app.settings.resilience import Resilience
from towpath._app.settings.service_file import AdmissionMode, ServiceConfig, load
from towpath._contracts.policy import MethodConfig
from towpath._layers.bucket import Rate
from towpath._layers.budget import BudgetOptions
from towpath._layers.bulkhead import Compartment

__all__ = [
    "AdmissionMode",
    "BudgetOptions",
    "Compartment",
    "MethodConfig",
    "NamedBulkhead",
    "NamedQuota",
    "Rate",
    "Resilience",
    "ServiceConfig",
    "load",
]
