"""One retry decision, and its use by `requests` and by the SDKs. This folder knows no service."""
