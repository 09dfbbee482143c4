"""The parts of a release: definition, documents, SBOM, provenance."""
