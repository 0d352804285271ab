"""Contracts: from `.proto` files to typed Python, and from a method's declared options to the values that apply.

This package imports nothing: every service reads `policy` at start-up, and must not pay for `codegen`, which only the tool needs.
"""
