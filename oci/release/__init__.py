"""What a release is made of: definition, documents, SBOM, provenance."""
