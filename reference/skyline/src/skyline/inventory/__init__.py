"""The inventory service: seats that are held, once each, in an SQLite file."""
