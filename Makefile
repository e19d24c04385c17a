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
DOCUMENT := design-docs/openapi/tagged-image-manager.yml

.PHONY: serve test lint docs diagrams format token lock clean help

help: ## say what there is to make
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

serve: $(READY) ## run the whole service on this machine (PORT, STATE, WORKERS)
	@exec $(BIN)/python -m local serve --port $(PORT) --state $(STATE) --workers $(WORKERS)

test: $(READY) $(CLIENT) ## run every test (ARGS for pytest's own)
	@$(BIN)/python -m pytest $(ARGS)

lint: $(READY) $(LINTER) ## check style, types, arrows and the OpenAPI document
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m openapi --check
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(NODE) \
		openapi/node_modules/@redocly/cli/bin/cli.js lint --config openapi/redocly.yaml $(DOCUMENT)

docs: $(READY) diagrams ## write what is generated of the design documents
	@$(BIN)/python -m openapi

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

lock: $(READY) ## pin what pyproject.toml asks for in both requirements files
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		pyproject.toml --group dev -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header \
		pyproject.toml -c requirements-dev.txt -o requirements.txt

clean: ## remove the virtual environment and the local data
	@if [ -L $(STATE)/postgres ]; then rm -rf "$$(readlink $(STATE)/postgres)"; fi
	@rm -rf $(VENV) $(STATE) $(dir $(LINTER)) $(dir $(CLIENT))

$(READY): requirements-dev.txt
	@python=$$(sh local/find-python) || exit 1; \
	echo "Setting up $(VENV) with $$($$python --version)" && \
	$$python -m venv --clear $(VENV) && \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt && \
	touch $@
	@if [ -d .git ] && [ -z "$$CI" ]; then $(BIN)/pre-commit install >/dev/null 2>&1 || true; fi

# npm comes with the virtual environment; no package runs a script of its own.
%/node_modules/.ready: %/package-lock.json | $(READY)
	@echo "Setting up $(@D)"
	@cd $* && $(CURDIR)/$(BIN)/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.ready
