UPDATE bot SET
    name = $2, fallback_text = $3, takeover = $4::text::jsonb, version = $5, flow = $6, flow_order = $7,
    updated_at = $8, updated_by = $9
WHERE id = $1
