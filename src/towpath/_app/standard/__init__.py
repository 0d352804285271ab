"""The services that every towpath server offers: health and reflection."""
