"""What `towpath gen` does, as a function."""

from towpath._contracts.codegen.generator import GenerateOptions, GenerateResult, generate

__all__ = ["GenerateOptions", "GenerateResult", "generate"]
