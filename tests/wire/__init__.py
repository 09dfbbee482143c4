"""Tests of the product over the wire: real sockets, real SDK clients, the lab."""
