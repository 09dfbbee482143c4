"""The deployment script: one file that runs deploy_instance in the Azure CLI's container, and how it is made."""
