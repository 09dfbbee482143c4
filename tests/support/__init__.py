"""What tests share: rigs, makers of releases and certificates, scripted servers. No test lives here."""
