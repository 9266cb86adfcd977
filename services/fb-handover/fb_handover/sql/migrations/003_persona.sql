-- Under which names operators speak on a page. Facebook keeps a persona until it is deleted there; a new name or picture is
-- a new persona.
CREATE TABLE persona (
    page text NOT NULL,
    name text NOT NULL,
    picture text NOT NULL,
    persona text NOT NULL, -- Facebook's id
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (page, name, picture)
);
