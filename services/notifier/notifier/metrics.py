"""What the notifier counts."""

from runtime.metrics import counter, gauge, histogram

SETTLED = counter("notifier_emails_total", "E-mails that reached a final state.", ("state",))
ATTEMPTS_FAILED = counter("notifier_attempts_failed_total", "Attempts after which an e-mail is tried again.")
SECONDS = histogram(
    "notifier_email_seconds",
    "From the takeover's beginning to the mail server's acceptance, in seconds.",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
)
WAITING = gauge("notifier_emails_waiting", "E-mails that are due or being sent.")
