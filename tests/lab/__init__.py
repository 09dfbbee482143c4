"""Tests of the lab's own fidelity: what its services answer to official clients."""
