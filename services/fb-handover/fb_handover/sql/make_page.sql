-- $1 pages
INSERT INTO page (page) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING
