"""The publisher's public DNS zone: its record sets in Azure DNS, and what its own name servers answer.

Only this folder writes to the zone. publisher/certificates decides when a certificate is ordered, and what the
challenge's record says.
"""
