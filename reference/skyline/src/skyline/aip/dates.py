"""Days as contracts carry them. `google.type.Date` may leave out the year, month or day; here a day is always a whole one."""

from datetime import date

from google.type.date_pb2 import Date

from skyline.aip.problems import invalid


def date_of(field: str, message: Date) -> date:
    """The day that `message` means; raises INVALID_ARGUMENT naming `field` if it is unset, partial, or not in the calendar."""
    try:
        return date(message.year, message.month, message.day)
    except ValueError as error:
        text = f"{message.year:04d}-{message.month:02d}-{message.day:02d}"
        raise invalid(field, f"{text} is not a day; year, month and day are all required") from error
