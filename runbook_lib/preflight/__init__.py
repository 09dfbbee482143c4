"""Find everything that would make a deployment fail, before the deployment begins. Each check only reads.

This folder has the type of a finding, the rights of an identity, and the checks of the services. runbooks/preflight.py
chooses the checks and shows their findings.
"""
