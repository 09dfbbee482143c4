"""Find image tags and digests that are literals in Bicep files. The files may be anybody's, of any newer language."""
