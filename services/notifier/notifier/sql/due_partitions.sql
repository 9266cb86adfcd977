-- Partitions with e-mails that are due. $1 now
SELECT DISTINCT partition FROM email WHERE state IN ('due', 'sending') AND due_at <= $1
