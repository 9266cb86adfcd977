"""Decides before anything starts which parts run here, and on which ports."""

import os
from collections.abc import Callable, Mapping, Sequence

from local import catalogue, ports
from local.places import GRAPH_VERSION, SMTP, Plan


def plan(
    say: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
    programs: Sequence[catalogue.Program] = catalogue.PROGRAMS,
) -> Plan:
    """The real world where the environment names it, stand-ins elsewhere."""
    chosen = tuple(one for one in programs if not (one.stands_in_for and environ.get(one.stands_in_for)))
    wanted = {program.name: program.port for program in chosen}
    wanted |= {} if environ.get(catalogue.REAL_SMTP) else {SMTP: catalogue.SMTP_PORT}
    wanted |= {} if environ.get(catalogue.REAL_KAFKA) else {catalogue.KAFKA: catalogue.KAFKA_PORT}
    wanted |= {} if environ.get(catalogue.REAL_POSTGRES) else {catalogue.POSTGRES: catalogue.POSTGRES_PORT}
    taken = {name: _reserve(name, port, say) for name, port in wanted.items()}

    def local(name: str, template: str) -> str:
        return template.format(taken.get(name, 0))

    return Plan(
        kafka=environ.get(catalogue.REAL_KAFKA) or local(catalogue.KAFKA, "127.0.0.1:{}"),
        database=environ.get(catalogue.REAL_POSTGRES)
        or local(catalogue.POSTGRES, "postgresql://convoboss@127.0.0.1:{}/convoboss"),
        graph=environ.get(catalogue.REAL_GRAPH)
        or local(catalogue.FACEBOOK.name, f"http://127.0.0.1:{{}}/{GRAPH_VERSION}"),
        smtp=environ.get(catalogue.REAL_SMTP) or local(SMTP, "smtp://127.0.0.1:{}"),
        public=environ.get("CONVOBOSS_PUBLIC_URL") or local(catalogue.CONSOLE.name, "http://127.0.0.1:{}"),
        programs=chosen,
        ports=taken,
        connected=frozenset(name for name in catalogue.REAL if environ.get(name)),
    )


def _reserve(name: str, port: int, say: Callable[[str], None]) -> int:
    got = ports.reserve(port)
    if got != port:
        say(f"Port {port} is in use; {name} takes {got}.")
    return got
