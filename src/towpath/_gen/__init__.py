"""Messages generated from towpath's own contracts, and those contracts beside them for others to import. Private."""
