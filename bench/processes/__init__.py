"""Processes of a run: started and ended, and what runs in them."""
