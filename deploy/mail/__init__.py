"""Mail: the letters that wait in the catalog are worded here, and brought to an SMTP server."""
