"""The pricing service: what a seat costs, made up from what the data says of the flight; slow when asked to be."""
