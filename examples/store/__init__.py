"""A shop for recorded music: eleven tables, their routes, and CSV in and out."""
