"""The file that holds the data set: a line of magic, a line of JSON header, one compressed section per table, and a digest of it all.

A section is the table by columns as JSON, compressed with bzip2: bzip2 has one implementation whose output has not changed in twenty
years, so an import repeated on another machine gives the same bytes, which no version of zlib or liblzma promises. Sections are
compressed one by one, so a service decompresses the tables it serves and no others. The SHA-256 at the end covers every byte before it;
a file that lost or changed one is refused whole, because half a data set answers wrongly without telling.

The format knows nothing of flights; it refuses to guess about other versions.
"""

import bz2
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

FORMAT_VERSION: Final = 1
_MAGIC: Final = b"skyline-data "
_DIGEST_SIZE: Final = hashlib.sha256().digest_size

Table = Mapping[str, Sequence[Any]]
"""Columns by name, all of one length; values are str, int, float or None."""


class DamageError(Exception):
    """The bytes are not a data file of this version, whole and unchanged; the message says in what way."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the data came from, kept in the file's header for whoever finds it: source, SHA-256 of the source archive, licence."""

    source: str
    source_sha256: str
    licence: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table of an open file: its number of rows, and its compressed bytes."""

    rows: int
    compressed: bytes


@dataclass(frozen=True, kw_only=True)
class Container:
    """A file that passed its digest; tables are decompressed when asked for."""

    provenance: Provenance
    sections: Mapping[str, Section]

    def table(self, name: str) -> Table:
        """The columns of table `name`; raises DamageError if the file has no such table or it does not hold what the header says."""
        section = self.sections.get(name)
        if section is None:
            raise DamageError(f"it has no table {name!r}")
        try:
            columns: dict[str, list[Any]] = json.loads(bz2.decompress(section.compressed))
        except (OSError, ValueError) as error:
            raise DamageError(f"table {name!r} cannot be decoded: {error}") from error
        if {len(values) for values in columns.values()} != {section.rows}:
            raise DamageError(f"table {name!r} does not have the {section.rows} rows that the header promises")
        return columns


def write(tables: Mapping[str, Table], provenance: Provenance) -> bytes:
    """The bytes of a data file; the same for the same arguments, always."""
    bodies = {name: bz2.compress(_compact(columns), 9) for name, columns in tables.items()}
    header = {
        "content": provenance.content,
        "licence": provenance.licence,
        "sections": [{"name": name, "rows": len(next(iter(tables[name].values()))), "bytes": len(body)} for name, body in bodies.items()],
        "source": provenance.source,
        "source_sha256": provenance.source_sha256,
    }
    whole = b"".join([_MAGIC, str(FORMAT_VERSION).encode(), b"\n", _compact(header), b"\n", *bodies.values()])
    return whole + hashlib.sha256(whole).digest()


def read(content: bytes) -> Container:
    """Open the bytes of a data file. Raises DamageError for another format or version, and for any byte lost, added or changed."""
    first, _, rest = content.partition(b"\n")
    if not first.startswith(_MAGIC):
        raise DamageError("it is not a Skyline data file")
    if first != _MAGIC + str(FORMAT_VERSION).encode():
        version = first[len(_MAGIC) :][:20].decode("ascii", "replace")
        raise DamageError(f"it has format version {version}; this program reads version {FORMAT_VERSION}")
    if hashlib.sha256(content[:-_DIGEST_SIZE]).digest() != content[-_DIGEST_SIZE:]:
        raise DamageError("its checksum does not match: the file is cut short or was changed")
    line, _, bodies = rest.partition(b"\n")
    # The digest has passed, so the header is as `write` wrote it; nothing below can be the work of a broken disk.
    header: dict[str, Any] = json.loads(line)
    sections: dict[str, Section] = {}
    start = 0
    for entry in header["sections"]:
        end = start + entry["bytes"]
        sections[entry["name"]] = Section(rows=entry["rows"], compressed=bodies[start:end])
        start = end
    provenance = Provenance(
        source=header["source"], source_sha256=header["source_sha256"], licence=header["licence"], content=header["content"]
    )
    return Container(provenance=provenance, sections=sections)


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode("ascii")
