"""What every request passes: gate, journal, faults, copies of requests, proxy, common answers."""
