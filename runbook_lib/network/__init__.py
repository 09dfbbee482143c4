"""One retry decision, and how it is used by requests and by the SDKs. No service is known here."""
