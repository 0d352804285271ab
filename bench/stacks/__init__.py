"""One module per Python stack, each with `serve(announce)`, `connect(address)` and `DISTRIBUTIONS`.

Each is written the way its documentation shows it. They import what they measure, so only the process that measures a stack imports it.
"""
