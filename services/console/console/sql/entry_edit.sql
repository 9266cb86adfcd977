-- A lower edit than is known comes too late; what was taken back stays so; 20 earlier texts are kept.
-- $1 conversation, $2 mid, $3 text, $4 which edit it is (NULL: not told), $5 when
UPDATE entry SET
    text = $3,
    content = jsonb_set(content, '{input,text}', to_jsonb($3::text)),
    edits = CASE WHEN jsonb_array_length(edits) < 20
        THEN edits || jsonb_build_object('text', text, 'until', to_char($5::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        ELSE edits END,
    edit_number = coalesce($4::integer, edit_number)
WHERE conversation = $1 AND kind = 'customer_message' AND content ->> 'mid' = $2 AND NOT deleted
    AND ($4::integer IS NULL OR edit_number IS NULL OR $4::integer > edit_number)
RETURNING *
