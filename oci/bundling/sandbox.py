"""The platform of a built runbook: CPython 3.10 on Linux x86_64, wheels only.

Source: docs/azure-facts.md#python-and-its-limits.
"""

PYTHON_VERSION = (3, 10)
# The oldest platform tag for which every locked package has a wheel: glibc 2.17. The sandbox's glibc is not documented.
# A wheel for an older glibc runs on a newer one, but not the other way round.
UV_PLATFORM = "x86_64-manylinux2014"
WHEEL_PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64")
# Wheels for older glibc versions (PEP 600 and the names before it).
OLDER_PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(16, 4, -1)),
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
)
# cryptography's wheels have the tag abi3. Wheels of pure Python have the tag none.
WHEEL_ABIS = ("cp310", "abi3", "none")


def pip_target(python: tuple[int, int] = PYTHON_VERSION) -> list[str]:
    """Return the options that make `pip download` choose wheels for the sandbox, or another Python, on any machine."""
    major, minor = python
    options = ["--no-deps", "--only-binary=:all:", f"--python-version={major}.{minor}", "--implementation=cp"]
    options += [f"--platform={platform}" for platform in WHEEL_PLATFORMS]
    return options + [f"--abi={abi}" for abi in (f"cp{major}{minor}", *WHEEL_ABIS[1:])]
