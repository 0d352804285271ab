"""What `towpath trace` finds and prints."""
