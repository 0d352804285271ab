"""What is HTTP's in every version: fields, and the sections that they stand in."""

from towpath._wire.http.fields import Field, MalformedSection, Section, Template

__all__ = ["Field", "MalformedSection", "Section", "Template"]
