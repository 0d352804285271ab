"""The words by which operators steer and read a service: environment variables, and the reasons of decisions."""
