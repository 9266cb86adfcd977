"""Why a webhook is refused, as types: what the sender did wrong, and what is wrong here for the moment."""

from typing import ClassVar

RETRY_AFTER = 5  # seconds


class Refused(Exception):
    """The webhook is not taken. `code` is for machines; nothing that was sent is repeated in it."""

    status: ClassVar[int]
    code: ClassVar[str]


class NotReady(Refused):
    """The channels are not yet known, or the broker was not yet reached."""

    status = 503
    code = "starting"


class Busy(Refused):
    """So many webhooks are under way that no more are taken in."""

    status = 503
    code = "overloaded"


class NotStored(Refused):
    """Neither broker nor disk acknowledged the events in time: they may or may not be in the log."""

    status = 503
    code = "not_stored"


class SpoolFull(Refused):
    """The broker does not acknowledge, and the spool holds as much as it may."""

    status = 503
    code = "spool_full"


class DiskFailed(Refused):
    """The broker does not acknowledge, and the spool's disk did not take the events."""

    status = 503
    code = "disk_failed"


class TooSlow(Refused):
    """The body did not come in time."""

    status = 408
    code = "body_too_slow"


class TooLarge(Refused):
    """The body is larger than 1 MiB."""

    status = 413
    code = "body_too_large"


class BrokenBody(Refused):
    """The body could not be received: its encoding is broken."""

    status = 400
    code = "broken_body"


class BadSignature(Refused):
    """No known app signed these bytes."""

    status = 401
    code = "bad_signature"


class Unparsable(Refused):
    """The body is not JSON."""

    status = 400
    code = "not_json"


class WrongToken(Refused):
    """Not a handshake, or not with a verify token of ours."""

    status = 403
    code = "wrong_token"
