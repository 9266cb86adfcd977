DELETE FROM outbox WHERE slot IS NULL AND id = ANY ($1::bigint[])
