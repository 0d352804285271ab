"""What the API improvement proposals (https://google.aip.dev) ask of every service alike: names, dates, pages, and errors that say which
field is wrong."""

from skyline.aip.dates import date_of
from skyline.aip.names import airport_code, airport_name, flight_key
from skyline.aip.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Page, page_of
from skyline.aip.problems import invalid, not_found

__all__ = [
    "DEFAULT_PAGE_SIZE",
    "MAX_PAGE_SIZE",
    "Page",
    "airport_code",
    "airport_name",
    "date_of",
    "flight_key",
    "invalid",
    "not_found",
    "page_of",
]
