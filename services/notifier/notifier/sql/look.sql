-- Partitions with e-mails that are due, and how many e-mails are not settled. $1 now
SELECT coalesce(array_agg(DISTINCT partition) FILTER (WHERE due_at <= $1), '{}') AS due, count(*) AS waiting
FROM email WHERE state IN ('due', 'sending')
