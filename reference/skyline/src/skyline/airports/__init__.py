"""The airports service: where the airports are and what they are called."""
