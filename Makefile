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
FAULTS := $(VENV)/.faults
INSTALL = $(BIN)/uv pip install -q --require-hashes
STAGE ?= dev
DEPLOYER := infrastructure/node_modules/.ready
CDK = $(NODE) infrastructure/node_modules/aws-cdk/bin/cdk

.PHONY: serve test test-faults lint docs schema diagrams format token package synth check-account deploy invoke-again destroy lock clean help

help: ## say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

serve: $(READY) ## run the whole service on this machine (PORT, STATE, WORKERS)
	@exec $(BIN)/python -m local serve --port $(PORT) --state $(STATE) --workers $(WORKERS)

# Two at a time, each with a stack of its own; in the order of the directories, since the longest files have few tests.
test: $(WORKSHOP) $(FAULTS) $(CLIENT) $(BROWSER) ## run every test (ARGS for pytest's own: then one at a time)
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist loadfile --no-loadscope-reorder)

test-faults: $(FAULTS) ## break everything under load for ten minutes, and audit what is left (FAULT_SECONDS)
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

docs: $(WORKSHOP) diagrams ## write what is generated of the design documents
	@$(BIN)/python -m openapi
	@$(BIN)/python -m infrastructure docs

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

token: $(READY) ## print an access token of USER (editor, viewer, admin, newcomer, machine, machine-read, machine-admin)
	@$(BIN)/python -m local token --state $(STATE) $(USER)

package: $(READY) ## make the zip for AWS Lambda, and say what is in it
	@$(BIN)/python -m infrastructure.packaging

synth: package $(WORKSHOP) ## make and check the CloudFormation template of STAGE (dev, staging, prod; FIRST=yes)
	@$(BIN)/python -m infrastructure synth --stage $(STAGE) --output build/$(STAGE) $(if $(filter yes,$(FIRST)),--first)

check-account: synth ## name what would stop a deployment of STAGE to the account; read-only, needs credentials
	@$(BIN)/python -m infrastructure.account --stage $(STAGE)

deploy: synth $(DEPLOYER) ## bring STAGE to AWS; needs credentials, and a region that `cdk bootstrap` has seen
	@$(BIN)/python -m infrastructure.protection --stage $(STAGE) $(if $(filter yes,$(FIRST)),--first)
	@$(CDK) deploy --app build/$(STAGE) --all --require-approval never
	@$(BIN)/python -m infrastructure.prune --stage $(STAGE)

invoke-again: $(READY) ## invoke FUNCTION of STAGE again with each of its dead letters; needs credentials
	@$(BIN)/python -m infrastructure.invoke_again --stage $(STAGE) --function $(FUNCTION)

destroy: synth $(DEPLOYER) ## delete STAGE from AWS with all its data; refused for a stage that is kept
	@$(BIN)/python -m infrastructure.empty_buckets --stage $(STAGE)
	@$(CDK) destroy --app build/$(STAGE) --all --force

# pip and uv refuse a file whose hash is not among those that were pinned.
LOCK = $(BIN)/uv pip compile -q $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header

lock: $(READY) ## pin what pyproject.toml asks for, with hashes (UPGRADE=1 renews the versions, too)
	@$(LOCK) pyproject.toml --group dev -o requirements-dev.txt
	@$(LOCK) pyproject.toml -c requirements-dev.txt -o requirements.txt
	@$(LOCK) --group imaging -c requirements-dev.txt -o requirements-imaging.txt
	@$(LOCK) --group deploy -c requirements-dev.txt -o requirements-deploy.txt
	@$(LOCK) --group faults -c requirements-dev.txt -o requirements-faults.txt
	@$(LOCK) --group checkov -o requirements-checkov.txt

clean: ## remove the virtual environment and the local data
	@if [ -L $(STATE)/postgres ]; then \
		place=$$(readlink $(STATE)/postgres); owner=$$(cat "$$place/state-directory"); \
		if [ "$$owner" = "$$(cd $(STATE) && pwd -P)" ]; then rm -rf "$$place"; \
		else echo "The database in $$place stays: this state directory was not the last to be served with it."; fi; \
	fi
	@rm -rf $(VENV) $(STATE) build $(dir $(LINTER)) $(dir $(CLIENT)) $(dir $(BROWSER)) $(dir $(DEPLOYER))

$(READY): requirements-dev.txt
	@python=$$(sh local/find-python) || exit 1; \
	echo "Setting up $(VENV) with $$($$python --version)" && \
	$$python -m venv --clear $(VENV) && \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt && \
	touch $@

# What `make serve` does without: the tools that synthesize and check the deployment.
$(WORKSHOP): $(READY) requirements-deploy.txt requirements-checkov.txt
	@echo "Setting up the deployment's tools"
	@$(INSTALL) --python $(BIN)/python -r requirements-deploy.txt
	@$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)/checkov
	@$(INSTALL) --python $(VENV)/checkov/bin/python -r requirements-checkov.txt
	@touch $@
	@if [ -d .git ] && [ -z "$$CI" ]; then $(BIN)/pre-commit install >/dev/null 2>&1 || true; fi

$(FAULTS): $(READY) requirements-faults.txt
	@$(INSTALL) --python $(BIN)/python -r requirements-faults.txt
	@touch $@

# npm comes with the virtual environment; no package runs a script of its own.
%/node_modules/.ready: %/package-lock.json | $(READY)
	@echo "Setting up $(@D)"
	@cd $* && $(CURDIR)/$(BIN)/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.ready
