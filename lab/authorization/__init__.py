"""Azure's role-based access control: built-in roles, role and deny assignments, and what they let a principal do.

The services ask it before they serve a request. It is not asked about the publisher's own services, nor about who is in
which tenant (lab/entra/access.py).
"""
