"""Many tenants, one database: in shared tables (``rows``) or in a schema each (``schemas``)."""
