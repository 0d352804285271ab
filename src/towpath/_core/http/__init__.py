"""What a handler has of HTTP, in whichever protocol it is called: the versions of its answers, and how caches may treat them."""
