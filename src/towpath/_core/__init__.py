"""What everything else agrees on: errors, context, deadline, and the shape of a service."""
