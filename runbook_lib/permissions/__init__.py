"""What the runbooks may have to do in Azure: the actions that their requests need, and the roles that give them.

Each runbook declares the permissions that it uses (`Runbook.permissions`). docs/permissions.md, the preflight's checks
and the template's role assignments are made from these declarations. A permission names every action that the requests
need, so that a run which has these actions and no others succeeds. One module for each kind of resource, so that a
built runbook carries what it declares.

Sources: learn role-based-access-control/built-in-roles and resource-provider-operations.
"""
