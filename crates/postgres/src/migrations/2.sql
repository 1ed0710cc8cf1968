-- Format 2. The tables are those of format 1; the functions have ways of their own for one call alone.

UPDATE format SET version = 2;
