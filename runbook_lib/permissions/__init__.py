"""The permissions that the runbooks need in Azure: the actions of their requests, and the roles that allow them.

Each runbook declares the permissions that it uses (`Runbook.permissions`). docs/permissions.md, the preflight's checks
and the template's role assignments are made from these declarations. A permission names every action that the requests
need. So a run with these actions and no others succeeds. Each kind of resource has a module, so that a built runbook
carries only what it declares.

Sources: learn role-based-access-control/built-in-roles and resource-provider-operations.
"""
