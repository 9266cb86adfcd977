"""Evidence of many conversations on disk, given back conversation by conversation: memory holds one of them at a time."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from convoboss.evidence import Kind, Piece


class Spill:
    """A file in the folder for temporary files (TMPDIR), which goes with the process; it grows to the size of what it holds."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="convoboss-verify-")
        self._database = sqlite3.connect(Path(self._folder.name) / "evidence", isolation_level=None)
        # nothing of it is of use after a crash
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE piece (conversation TEXT, kind INTEGER, place INTEGER, at INTEGER, word TEXT, value BLOB)"
        )
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def add(self, pieces: Iterable[Piece]) -> None:
        """Those of one conversation come in the order in which they are to be given back, within a kind."""
        self._database.executemany("INSERT INTO piece VALUES (?, ?, ?, ?, ?, ?)", pieces)

    def conversations(self) -> Iterator[tuple[str, Iterator[Piece]]]:
        """Each conversation's pieces are to be taken before the next is asked for."""
        found = self._database.execute("SELECT * FROM piece ORDER BY conversation, kind, rowid")
        for conversation, rows in groupby(found, key=itemgetter(0)):
            yield conversation, (Piece(row[0], Kind(row[1]), *row[2:]) for row in rows)

    def count(self) -> int:
        """Conversations, roughly: keys that nobody has decided are among them."""
        number: int = self._database.execute("SELECT count(DISTINCT conversation) FROM piece").fetchone()[0]
        return number
