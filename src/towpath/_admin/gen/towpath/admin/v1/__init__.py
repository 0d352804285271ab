"""Version 1 of the admin contract."""
