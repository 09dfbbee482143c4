"""The managed resource group: its resources, applications, network, changes, health."""
