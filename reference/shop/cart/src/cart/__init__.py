"""What each customer means to buy."""
