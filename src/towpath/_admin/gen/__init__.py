"""The code of the admin contract, made by `make gen`, and the contract beside it."""
