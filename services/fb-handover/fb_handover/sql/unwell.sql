-- All pages that something is the matter with. Few: it is asked every second.
SELECT page, trouble, reason, stopped_token, stopped_version,
    greatest(0, extract(epoch FROM paused_until - clock_timestamp()))::float8 AS paused,
    greatest(0, extract(epoch FROM tags_stopped_until - clock_timestamp()))::float8 AS tags_stopped,
    slow_until > clock_timestamp() AS slow,
    trouble <> '' AND paused_until < clock_timestamp() - interval '1 minute' AS over
FROM page
WHERE trouble <> '' OR stopped_token IS NOT NULL OR paused_until > clock_timestamp() OR slow_until > clock_timestamp()
    OR tags_stopped_until > clock_timestamp()
