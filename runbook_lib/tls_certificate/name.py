"""The certificate's name in the vault."""

# The template's placeholder is a secret with another name: a certificate creates a secret of the same name, and may not
# take over a secret that exists already.
CERTIFICATE = "vibedata-tls"
