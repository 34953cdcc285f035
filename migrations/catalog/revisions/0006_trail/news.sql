-- Nobody remembers an access, so none of it is news: each of its requests asks the catalog.
SELECT;
