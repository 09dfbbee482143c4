"""Tests of the package for the Marketplace."""
