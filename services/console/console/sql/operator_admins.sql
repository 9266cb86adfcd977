-- The active admins, locked: two requests at once must not take the last one away.
SELECT id FROM operator WHERE role = 'admin' AND active ORDER BY id FOR UPDATE
