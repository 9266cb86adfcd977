"""What ingress counts."""

from runtime.metrics import counter, gauge, histogram

RECEIVED = counter(
    "ingress_events_total", "Events of webhooks that the broker or the spool has acknowledged.", ("kind",)
)
LETTERS = counter("ingress_dead_letters_total", "Parts of webhooks that went to the dead letters.", ("reason",))
IGNORED = counter("ingress_ignored_total", "Signed webhooks that are about no page: acknowledged only.")
REFUSED = counter("ingress_refused_total", "Webhooks that were refused.", ("reason",))
SECONDS = histogram("ingress_webhook_seconds", "From a webhook's arrival to its acknowledgement, in seconds.")
IN_FLIGHT = gauge("ingress_webhooks_in_flight", "Webhooks under way.")
PAGES = gauge("ingress_pages", "Facebook pages whose webhooks are taken.")
UNUSABLE = gauge("ingress_unusable_pages", "Pages whose secrets cannot be decrypted: their webhooks are refused.")
UNKNOWN_PAGES = gauge(
    "ingress_unknown_pages", "Pages that no bot has and whose webhooks come: they wait in the dead letters."
)
FAILING = gauge("ingress_failing_pages", "Pages of which an aspect is failing, as of the topic pages.", ("aspect",))
REPAIRS = counter(
    "ingress_subscription_repairs_total",
    "Times that webhooks of a page did not come and were ordered anew.",
    ("reason",),
)
TAKEN_IN = counter("ingress_taken_in_total", "Dead letters of pages that became known, taken into the log.")
CAUGHT_UP = counter("ingress_caught_up_total", "Events that were read from Facebook's Conversations API.")
CUT = counter(
    "ingress_cut_conversations_total", "Conversations in which more was missed than Facebook keeps to be read."
)
SPOOL_BYTES = gauge("ingress_spool_bytes", "Bytes of the spool's files: what waits on disk until the broker has it.")
SPOOL_RECORDS = gauge("ingress_spool_records", "Records that wait in the spool.")
SPOOL_AGE = gauge("ingress_spool_age_seconds", "How long the oldest of them has waited; 0 while the spool is empty.")
SPOOLED = counter("ingress_spooled_records_total", "Records that went into the spool.")
REPLAYED = counter("ingress_replayed_records_total", "Records of the spool that the broker has acknowledged.")
