"""The top floor: settings, the application, the worker, the command line, the embedded stack."""
