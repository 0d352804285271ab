"""A client's channel, its connections and the calls on them."""
