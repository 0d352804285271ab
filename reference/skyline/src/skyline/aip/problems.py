"""The two errors of a service that only reads: the request is wrong (AIP-193, BadRequest), or nothing has that name (ResourceInfo)."""

from google.rpc.error_details_pb2 import BadRequest, ResourceInfo

from towpath import Code, RpcError


def invalid(field: str, description: str) -> RpcError:
    """INVALID_ARGUMENT that names `field`, in the text for people and as BadRequest for programs."""
    violation = BadRequest.FieldViolation(field=field, description=description)
    return RpcError(Code.INVALID_ARGUMENT, f"{field}: {description}", [BadRequest(field_violations=[violation])])


def not_found(resource_type: str, name: str) -> RpcError:
    """NOT_FOUND that names the resource; `resource_type` as in the contract, for example `skyline.example/Flight`."""
    return RpcError(Code.NOT_FOUND, f"there is no {name!r}", [ResourceInfo(resource_type=resource_type, resource_name=name)])
