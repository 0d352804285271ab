"""The fleet service: which aircraft there are and what they are like."""
