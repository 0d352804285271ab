"""How `towpath.run` writes a log, if the program has not set up another one."""

import logging

from towpath._core.disclosure.printable import printable_lines


class PrintableFormatter(logging.Formatter):
    """Shows control characters as escapes, and indents what follows the first line of a record. The text of an exception often holds what a
    caller has sent, and no caller may clear a terminal or write a record that is none."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return printable_lines(super().format(record))
