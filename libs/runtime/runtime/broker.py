"""How the brokers are reached, and why they cannot be, in a sentence that names the setting to look at."""

import asyncio
import ssl
from typing import Final, TypedDict

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from runtime.settings import ServiceSettings

REQUEST_TIMEOUT: Final = 10_000  # ms, of one request; the delivery time-out covers several
TIMEOUT: Final = 5.0  # seconds to find out what is wrong with one broker
SECURITY: Final = "CONVOBOSS_KAFKA_SECURITY"


class Connection(TypedDict):
    """Arguments that aiokafka's producer, consumer and admin client share."""

    bootstrap_servers: list[str]
    client_id: str
    request_timeout_ms: int
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None


def connection(settings: ServiceSettings, client: str) -> Connection:
    """How to reach the brokers; `client` is the name they see."""
    return Connection(
        bootstrap_servers=servers(settings),
        client_id=client,
        request_timeout_ms=REQUEST_TIMEOUT,
        security_protocol=settings.kafka_security,
        ssl_context=tls(settings),
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_plain_username=settings.kafka_username or None,
        sasl_plain_password=settings.kafka_password.get_secret_value() or None,
    )


def servers(settings: ServiceSettings) -> list[str]:
    """The brokers to begin with, each `host:port`."""
    return [server.strip() for server in settings.kafka_bootstrap.split(",") if server.strip()]


def tls(settings: ServiceSettings) -> ssl.SSLContext | None:
    """Whom to trust; None where the brokers are spoken to in clear."""
    if not settings.kafka_security.endswith("SSL"):
        return None
    return ssl.create_default_context(cafile=settings.kafka_ca_file or None)


async def why_unreached(settings: ServiceSettings, error: BaseException) -> str:
    """What is wrong, for each broker to begin with; the text of `error` where they answer by now.

    aiokafka tells a wrong password, an unknown authority and a machine that is off alike: "unable to bootstrap". So after
    it has failed, each broker is asked once more, step by step as it does.
    """
    reached_by = connection(settings, "why")
    found = [await _why(reached_by, server) for server in reached_by["bootstrap_servers"]]
    return "; ".join(dict.fromkeys(text for text in found if text)) or str(error) or type(error).__name__


async def _why(reached_by: Connection, server: str) -> str | None:
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        return f"{server} is not of the form host:port: see CONVOBOSS_KAFKA_BOOTSTRAP"
    try:
        async with asyncio.timeout(TIMEOUT):
            return await _step_by_step(reached_by, host.strip("[]"), int(port))
    except TimeoutError:
        return f"{server} does not answer within {TIMEOUT:g} s: see CONVOBOSS_KAFKA_BOOTSTRAP and {SECURITY}"
    except OSError as error:
        return f"{server} cannot be reached ({error.strerror or error}): see CONVOBOSS_KAFKA_BOOTSTRAP"


async def _step_by_step(reached_by: Connection, host: str, port: int) -> str | None:
    security, mechanism = reached_by["security_protocol"], reached_by["sasl_mechanism"]
    server, user = f"{host}:{port}", reached_by["sasl_plain_username"]
    arguments = {name: value for name, value in reached_by.items() if name != "bootstrap_servers"}
    kafka = AIOKafkaConnection(host, port, **arguments)
    try:
        await kafka.connect()
        await kafka.send(MetadataRequest([]))
    except ssl.SSLCertVerificationError as error:
        setting = "CONVOBOSS_KAFKA_BOOTSTRAP" if "match" in error.verify_message else "CONVOBOSS_KAFKA_CA_FILE"
        return f"{server} has a certificate that is not trusted ({error.verify_message}): see {setting}"
    except (ssl.SSLError, ConnectionResetError):
        if not security.endswith("SSL"):
            raise
        return f"{server} does not speak TLS, and {SECURITY} is {security}: see there"
    except SaslAuthenticationFailed:
        return (
            f"{server} refused user {user} and its password with {mechanism}: see CONVOBOSS_KAFKA_USERNAME,"
            " CONVOBOSS_KAFKA_PASSWORD and CONVOBOSS_KAFKA_SASL_MECHANISM"
        )
    except UnsupportedSaslMechanismError:
        return f"{server} offers no login by {mechanism}: see CONVOBOSS_KAFKA_SASL_MECHANISM"
    except IllegalSaslStateError:
        return f"{server} takes no login, and {SECURITY} is {security}: see there"
    except KafkaError as error:
        return await _hung_up(server, host, port, security, error)
    finally:
        kafka.close()
    return None


async def _hung_up(server: str, host: str, port: int, security: str, error: KafkaError) -> str:
    if not security.endswith("SSL") and await _speaks_tls(host, port):
        return f"{server} speaks TLS, and {SECURITY} is {security}: see there"
    if not security.startswith("SASL"):
        return f"{server} hung up on a client that did not log in, {SECURITY} is {security}: see there"
    return f"{server} hung up ({error}): see {SECURITY}"


async def _speaks_tls(host: str, port: int) -> bool:
    """Nothing is sent on this connection: whom it belongs to does not matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:  # ssl.SSLError is one
        return False
    writer.close()
    return True
