# Two commands are all that a newcomer needs: `make demo` and `make test`. Each installs what it lacks first.
.PHONY: help demo test tests check soak proof bench lint lock clean set-up

VENV := .venv/bin
# Tests start Python a thousand times: where this variable is set, each of them would compile the whole project.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

set-up: ## Install everything below this folder, without root
	@./scripts/setup.sh

demo: set-up ## A local Azure, a release with real images, the whole chain as jobs; KEEP=1 leaves the lab up
	@$(VENV)/python -m scripts.demo $(if $(KEEP),--keep)

# Both at once: mypy uses one core, and would leave the others idle.
test: set-up ## Every test, lint and types
	@$(MAKE) --no-print-directory -j2 lint tests

# Five on two cores: tests wait for servers and jobs about as long as they compute.
tests: set-up ## The tests alone, without lint and types
	@$(VENV)/pytest -q -n 5 --dist loadfile --no-loadscope-reorder

check: set-up lint ## The inner loop: lint, types, the house's rules, pure tests; without the slow ones
	@$(VENV)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not soak" tests/house tests/pure

soak: set-up ## Hours: trouble at every request of a rotation, 100,000 hostile inputs for each parser
	@$(VENV)/pytest -q -s -m soak

proof: set-up ## Hours: a deployment killed at every request, trouble at every request; SHARD=I/N, SECONDS=S: a part
	@$(VENV)/python -m bench.proofs $(if $(SHARD),--shard $(SHARD)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(CASE),--case "$(CASE)")

lint: set-up ## ruff and mypy
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy

bench: set-up ## Measurements beside their aims
	@$(VENV)/python -m bench

# Pins what the *.in files ask for, with hashes and without any address.
LOCK := $(VENV)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate
lock: set-up ## Pin the packages anew; UPGRADE=1 takes newer versions
	@$(LOCK) requirements-dev.in $(if $(UPGRADE),--upgrade) -o requirements-dev.lock
	@$(LOCK) lab/azure_cli/azure-cli.in $(if $(UPGRADE),--upgrade) -o lab/azure_cli/azure-cli.lock
	@$(VENV)/python -m oci.packages.lock

clean: ## Remove what the others installed and made
	rm -rf .venv .tools .lab .proof dist
