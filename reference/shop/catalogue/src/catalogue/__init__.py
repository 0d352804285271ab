"""What the shop sells, with its pictures."""
