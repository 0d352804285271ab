"""`towpath top`: the figures of running services, live, from the processes themselves."""
