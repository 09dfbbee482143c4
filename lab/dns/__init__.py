"""Azure DNS: the publisher's public zone, and a real name server that answers for it."""
