"""The customer's side of the TLS certificate's rotation: versions, rules, chain, vault, handshake."""
