"""Contracts: from `.proto` files to typed Python, and from a method's declared options to the values that apply.

Nothing is imported here: every service reads `policy` at start-up, and must not pay for `generator`, which only the tool needs.
"""
