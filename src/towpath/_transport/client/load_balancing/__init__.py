"""Which of several endpoints gets a call: by load, without outliers, and as its guard allows."""
