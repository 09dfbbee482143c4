"""Azure's role-based access control: built-in roles, role and deny assignments, and what they let a principal do.

The services ask it before they serve a request. Two things are not its subject: the publisher's own services, and which
tenant a caller belongs to (lab/entra/access.py).
"""
