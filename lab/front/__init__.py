"""What every request passes through: gate, journal, faults, copies of requests, proxy, common answers."""
