"""All SQL of the console, a module for each noun; the statements are in `console/sql`."""
