"""What an application costs on towpath that was written for another server."""
