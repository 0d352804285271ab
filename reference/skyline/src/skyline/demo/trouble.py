"""Trouble on purpose: the weather service stops answering while travellers ask, and goes on.

Its process is stopped, not ended: connections stay open and nothing comes back, which is the worst that a slow dependency does. What users
saw is for `skyline.demo.report` to tell, beside what the stack counted of its decisions.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from skyline.demo.driver import Outcome, drive
from skyline.demo.traffic import Query
from skyline.search.v1.search_towpath import SearchServiceClient
from towpath.app.supervisor import System

STOPPED: Final = "weather"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What users saw while the service hung, and after."""

    hung: Outcome
    after: Outcome

    @property
    def failures(self) -> int:
        """Searches that failed."""
        return self.hung.failures + self.after.failures


async def make(system: System, client: SearchServiceClient, asked: list[Query], *, concurrency: int) -> Trouble:
    """Ask all of `asked` while the service hangs, and once more after. It goes on even if this is cancelled."""
    pid = system.pid(STOPPED)
    os.kill(pid, signal.SIGSTOP)
    try:
        hung = await drive(client, asked, concurrency=concurrency)
    finally:
        os.kill(pid, signal.SIGCONT)
    return Trouble(hung=hung, after=await drive(client, asked, concurrency=concurrency))


def decisions(dumps: Iterable[Path]) -> Counter[tuple[str, str]]:
    """What the layers of all processes decided, by role and reason, from the metrics that they left behind."""
    counted: Counter[tuple[str, str]] = Counter()
    for path in dumps:
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            if family.name == "towpath_decisions":
                for sample in family.samples:
                    if sample.labels["shadow"] == "false":
                        counted[sample.labels["role"], sample.labels["reason"]] += int(sample.value)
    return counted
