"""What the local stack consists of: every process, its port, and what it stands in for."""

from dataclasses import dataclass
from typing import Final

KAFKA: Final = "Kafka"
POSTGRES: Final = "PostgreSQL"
KAFKA_PORT: Final = 9092
POSTGRES_PORT: Final = 5432

REAL_KAFKA: Final = "CONVOBOSS_KAFKA_BOOTSTRAP"
REAL_POSTGRES: Final = "CONVOBOSS_DATABASE_URL"
REAL_GRAPH: Final = "CONVOBOSS_GRAPH_URL"
REAL_SMTP: Final = "CONVOBOSS_SMTP_URL"
REAL: Final = (REAL_KAFKA, REAL_POSTGRES, REAL_GRAPH, REAL_SMTP)


@dataclass(frozen=True, slots=True)
class Program:
    """A Python process of the project: `python -m <module>`, watched at /readyz of its port."""

    name: str
    module: str
    port: int  # taken when it is free
    does: str
    stands_in_for: str | None = None  # the setting that names the real thing; then this one is not started


MAIL = Program("mail", "mail", 8083, "mail catcher: every e-mail, on a page", stands_in_for=REAL_SMTP)
FACEBOOK = Program("facebook", "facebook", 8082, "Facebook in a box: chat as a customer", stands_in_for=REAL_GRAPH)
INGRESS = Program("ingress", "ingress", 8080, "takes webhooks")
CONSOLE = Program("console", "console", 8081, "operators' API")
TAKEOVER = Program("takeover", "takeover", 8084, "decides who answers")
FLOW_ENGINE = Program("flow-engine", "flow_engine", 8085, "runs the bot's flow")
FB_HANDOVER = Program("fb-handover", "fb_handover", 8086, "sends to Facebook, passes control")
NOTIFIER = Program("notifier", "notifier", 8087, "e-mails operators")
MONITOR = Program("monitor", "monitor", 8088, "checks that one voice speaks")

PROGRAMS: Final = (MAIL, FACEBOOK, INGRESS, CONSOLE, TAKEOVER, FLOW_ENGINE, FB_HANDOVER, NOTIFIER, MONITOR)
SMTP_PORT: Final = 8025
