"""The machine that the lab runs on: sockets, processes, certificates, tools."""
