"""Tests of the house's own rules: floors, names, pages."""
