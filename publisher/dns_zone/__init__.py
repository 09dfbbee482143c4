"""The publisher's public DNS zone: its record sets in Azure DNS, and what its own name servers answer.

All writes to the zone are here. When a certificate is ordered, and what its challenge says, is decided elsewhere.
"""
