"""Read the managed application's template, the Bicep files below infra/, and find what its compiler would refuse."""
