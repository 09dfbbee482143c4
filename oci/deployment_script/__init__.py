"""Make the deployment script. This one file runs deploy_instance in the container of the Azure CLI."""
