# Two commands are all that a newcomer needs: `make demo` and `make test`. Each installs what it lacks first.
.PHONY: demo test soak bench lint lock clean set-up

VENV := .venv/bin

set-up:
	@./scripts/setup.sh

# A local Azure, a release with real images, and the whole chain through Automation jobs. KEEP=1 leaves the lab up.
demo: set-up
	@$(VENV)/python -m scripts.demo $(if $(KEEP),--keep)

test: set-up lint
	@$(VENV)/pytest -q -n 2 --dist loadfile

# Some hours: rotations that meet trouble at every single request, in turn; 100,000 inputs for every parser.
soak: set-up
	@$(VENV)/pytest -q -s -m soak

lint: set-up
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy

bench: set-up
	@$(VENV)/python -m bench

# For maintainers: pins what the *.in files ask for, with hashes and without any address. UPGRADE=1 takes newer versions.
LOCK := $(VENV)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate
lock: set-up
	@$(LOCK) requirements-dev.in $(if $(UPGRADE),--upgrade) -o requirements-dev.lock
	@$(LOCK) lab/azure_cli/azure-cli.in $(if $(UPGRADE),--upgrade) -o lab/azure_cli/azure-cli.lock
	@$(VENV)/python -m oci.packages.lock

clean:
	rm -rf .venv .tools .lab dist
