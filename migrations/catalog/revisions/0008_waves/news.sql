-- Nothing yet.
SELECT;
