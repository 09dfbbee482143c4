"""Find literal image tags and digests in Bicep files. Anybody may have written the files, in any version of Bicep."""
