"""Skyline: the reference system of towpath. Flight search over the real New York departures of January 2013."""
