"""From the model of a contract to the Python that is committed."""
