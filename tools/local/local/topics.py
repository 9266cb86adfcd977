"""Topics are made by one call, before any service needs them, and never by a service."""


async def ensure(bootstrap: str) -> None:
    """Creates what is missing on that broker. Imported late: the catalogue of topics loads every event's model."""
    from runtime import topics
    from runtime.settings import ServiceSettings

    await topics.ensure(ServiceSettings(kafka_bootstrap=bootstrap))
