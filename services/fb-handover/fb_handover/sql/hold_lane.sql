-- Locks the lane if the claim is still ours. $1 conversation, $2 fence
SELECT conversation FROM lane WHERE conversation = $1 AND fence = $2 AND owner IS NOT NULL FOR UPDATE
