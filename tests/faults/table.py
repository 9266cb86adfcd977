"""A run as a table for people."""

from collections.abc import Iterable, Sequence

from faults.run import Result

ROWS = (
    ("accepted", "webhooks that were answered 200"),
    ("two_voices", "bot's messages while a person had the conversation"),
    ("lost", "messages that nobody got, and nobody was told"),
    ("twice", "messages or answers that came twice"),
    ("out_of_order", "messages that came before an earlier one"),
    ("wrong_expiry", "sessions that ended too early, too late or by mistake"),
    ("second_emails", "second e-mails about one takeover"),
)


def table(result: Result) -> str:
    counts = result.verdict.counts()
    lines = [f"{name:<14} {counts[name]:>8}  {says}" for name, says in ROWS]
    lines += [
        "",
        f"Load: {result.seconds:.0f} s, {result.plan.customers} customers; all done {result.rested:.0f} s later",
    ]
    lines += _numbers(result.load.items())
    lines += ["", "In the topics, the database and the stand-ins:", *_numbers(sorted(result.verdict.seen.items()))]
    lines += ["", f"{len(result.faults)} faults:"]
    lines += [f"  {at:>7.1f} s  {what}" for at, what in _faults(result)]
    restarts = ", ".join(f"{name} {count}" for name, count in sorted(result.ends.items()))
    lines += ["", f"Processes that ended and were started again: {restarts or 'none'}"]
    if result.still_open:
        lines += ["", f"NOT DONE: {'; '.join(result.still_open)}"]
    return "\n".join(lines)


def _numbers(items: Iterable[tuple[str, int]]) -> Sequence[str]:
    return [f"  {count:>7}  {name}" for name, count in items]


def _faults(result: Result) -> Iterable[tuple[float, str]]:
    for fault in result.faults:
        note = f" ({fault.note})" if fault.note else ""
        yield fault.at, f"{fault.name}: {fault.target}{note}"
