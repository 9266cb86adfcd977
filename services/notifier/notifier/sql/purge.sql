-- Old records. $1 before
DELETE FROM email WHERE state NOT IN ('due', 'sending') AND changed_at < $1
