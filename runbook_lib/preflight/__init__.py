"""What would make a deployment fail, found before it begins. Each check reads only; what is ill is a Finding.

Here live what a finding is, which rights an identity has, and the checks of the services. Which checks are made, and
what a run says of them, is runbooks/preflight.py's.
"""
