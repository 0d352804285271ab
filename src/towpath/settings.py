"""What a service file says, as values: for applications that make their settings in code, and for tools that read service files."""

from towpath._app.settings.own.classes import Seconds, Secret
from towpath._app.settings.own.own_settings import OwnSettings
from towpath._app.settings.quotas_and_bulkheads import NamedBulkhead, NamedQuota
from towpath._app.settings.resilience import Resilience
from towpath._app.settings.server.messages import NamedMessageOptions
from towpath._app.settings.server_options import AdmissionMode, AdmissionOptions, ServerOptions
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._app.settings.targets import ChannelLimits
from towpath._app.settings.telemetry.logs import LogsOptions
from towpath._app.settings.telemetry.loop import LoopOptions
from towpath._app.settings.telemetry.metrics import MetricsOptions
from towpath._app.settings.telemetry.otlp import OtlpOptions
from towpath._app.settings.telemetry.recorder import RecorderOptions
from towpath._app.settings.telemetry.sampling import SamplingOptions
from towpath._app.settings.telemetry.telemetry import TelemetryConfig
from towpath._contracts.policy import MethodConfig
from towpath._core.propagation.trust import Trust
from towpath._layers.admission.adaptive_limit import LimitOptions
from towpath._layers.admission.wait_limits import QueueOptions
from towpath._layers.breaker import BreakerOptions
from towpath._layers.bucket import Rate
from towpath._layers.bulkhead import Compartment
from towpath._layers.quota import Quota
from towpath._layers.retry_budget import BudgetOptions
from towpath._layers.throttle import ThrottleOptions
from towpath._telemetry.logs.access_log import AccessOptions
from towpath._telemetry.otlp.options import Endpoint, ExportOptions
from towpath._transport.message_options import MessageOptions
from towpath._wire.cors import CorsOptions

__all__ = [
    "AccessOptions",
    "AdmissionMode",
    "AdmissionOptions",
    "BreakerOptions",
    "BudgetOptions",
    "ChannelLimits",
    "Compartment",
    "CorsOptions",
    "Endpoint",
    "ExportOptions",
    "LimitOptions",
    "LogsOptions",
    "LoopOptions",
    "MessageOptions",
    "MethodConfig",
    "MetricsOptions",
    "NamedBulkhead",
    "NamedMessageOptions",
    "NamedQuota",
    "OtlpOptions",
    "OwnSettings",
    "QueueOptions",
    "Quota",
    "Rate",
    "RecorderOptions",
    "Resilience",
    "SamplingOptions",
    "Seconds",
    "Secret",
    "ServerOptions",
    "ServiceConfig",
    "TelemetryConfig",
    "ThrottleOptions",
    "Trust",
    "load",
]
