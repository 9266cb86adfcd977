-- $1 partition
INSERT INTO place (partition) VALUES ($1) ON CONFLICT (partition) DO NOTHING
