-- Up to when all three topics of a partition were read; null while one has told nothing. Takes the partition. $1 partition
SELECT least(outcomes, commands, conversations) AS at,
    outcomes IS NOT NULL AND commands IS NOT NULL AND conversations IS NOT NULL AS known
FROM place WHERE partition = $1 FOR UPDATE
