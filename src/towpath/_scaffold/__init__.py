"""Making a service from a template, adding to it, and bringing it up to date when the template has changed."""
