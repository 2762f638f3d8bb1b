.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate

.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' Makefile) drift

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.run: requirements/run.txt requirements/build.txt pyproject.toml
	@deploy/install/python.sh "$(PYTHON)" "$(VENV)" requirements/run.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/build.txt pyproject.toml
	@deploy/install/python.sh "$(PYTHON)" "$(VENV)" requirements/dev.txt
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run ## live metrics of a simulated organization on http://localhost:10180
	@$(BIN)/openai-usage-exporter demo $(ARGS)

demo-stack: $(VENV)/.run ## demo with Prometheus, Alertmanager, a month of history and, if installed, Grafana
	@deploy/install/debian.sh prometheus prometheus-alertmanager
	@$(BIN)/python -m deploy.demo_stack $(ARGS)

run: $(VENV)/.run ## run the exporter; needs OPENAI_ADMIN_KEY
	@$(BIN)/openai-usage-exporter run $(ARGS)

test: $(VENV)/.dev lint ## all linters and tests, including the real Prometheus
	@deploy/install/debian.sh
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

coverage: $(VENV)/.dev ## all tests, and the gate on branch coverage; takes two to three times as long as `make test`
	@deploy/install/debian.sh
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

test-fast: $(VENV)/.dev ## tests without the slow end-to-end ones
	@$(BIN)/pytest -m "not slow" $(ARGS)

bench-estimate: $(VENV)/.dev ## cost estimates compared with final costs, about three minutes
	@$(BIN)/python -m bench.estimate $(ARGS)

bench-backfill: $(VENV)/.dev ## history by remote write and through promtool, about half an hour
	@deploy/install/debian.sh
	@$(BIN)/python -m bench.backfill $(ARGS)

bench-exactness: $(VENV)/.dev ## counters of four exporters after a day of faults, about six minutes
	@deploy/install/debian.sh
	@$(BIN)/python -m bench.exactness $(ARGS)

bench-organizations: $(VENV)/.dev ## memory, publishes, scrapes and CPU at 1, 50 and 200 organizations, in about seven minutes
	@$(BIN)/python -m bench.organizations $(ARGS)

bench-requests: $(VENV)/.dev ## requests an hour of small and large organizations
	@$(BIN)/python -m bench.requests_per_hour

bench-alerts: $(VENV)/.dev ## eight weeks of twelve kinds of projects through the alerts: found, missed, false, delay
	@deploy/install/debian.sh
	@$(BIN)/python -m bench.replay_alerts $(ARGS)

bench: $(VENV)/.dev ## every figure of docs/performance.md at 10,000, 100,000 and 1,000,000 samples, in half an hour
	@deploy/install/debian.sh nginx
	@$(BIN)/python -m bench $(ARGS)

bench-quick: $(VENV)/.dev ## the figures of publishing and decoding, in about a minute
	@$(BIN)/python -m bench --quick $(ARGS)

bench-scrape: $(VENV)/.dev ## scrapes of 100,000 samples, compared with nginx serving the same bytes, in about three minutes
	@deploy/install/debian.sh nginx
	@$(BIN)/python -m bench scrape --sizes $(or $(SIZES),100000)

reliability: $(VENV)/.dev ## measure what each fault costs and write it into docs/reliability.md, in about ten minutes
	@deploy/install/debian.sh
	@$(BIN)/python -m tests.reliability $(ARGS)

soak: $(VENV)/.dev ## an hour (SECONDS=3600) at high pace with faults, reloads and hostile clients: is everything flat?
	@$(BIN)/python -m bench.soak --seconds $(or $(SECONDS),3600)

fuzz: $(VENV)/.dev ## search for inputs that break a parser; SECONDS per target, 600 by default
	@for target in pages headers requests settings web_config state state_rows; do \
	  $(BIN)/python -m tests.fuzz $$target --seconds $(or $(SECONDS),600) || exit 1; \
	done

lint: $(VENV)/.dev ## ruff, mypy, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## sort imports and format
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

golden: $(VENV)/.dev ## regenerate the golden exposition
	@GOLDEN=1 $(BIN)/pytest -q tests/test_golden.py

drift: $(VENV)/.dev ## compare both tables with the installed openai package; OPENAI=newest for the newest one
ifeq ($(OPENAI),newest)
	@$(BIN)/uv run --quiet --no-project --isolated --refresh-package openai --with openai --with-requirements requirements/run.txt python -m drift
else
	@$(BIN)/python -m drift
endif

docs: $(VENV)/.run ## regenerate docs/metrics.md and docs/settings.md from the code
	@$(BIN)/openai-usage-exporter metrics >docs/metrics.md
	@$(BIN)/python -m exporter.settings >docs/settings.md

rules: $(VENV)/.run ## generate the rule files from the table and thresholds.yml
	@$(BIN)/python -m alerting

manifests: $(VENV)/.run ## render deploy/kubernetes and the README of the chart from the chart; needs helm
	@PATH="$$(deploy/install/go.sh):$$PATH" $(BIN)/python -m deploy.chart

dashboards: $(VENV)/.dev ## write grafana/*.json and deploy/grafana-import/*.json from grafana/dashboards
	@$(BIN)/python -m grafana.dashboards

release: $(VENV)/.dev ## build sdist, wheel, SBOM, release notes and checksums into dist/
	@$(BIN)/python -m deploy.release

lock: $(VENV)/.dev ## compile the hashed requirements
	@$(BIN)/uv pip compile $(LOCK_FLAGS) pyproject.toml -o requirements/run.txt
	@$(BIN)/uv pip compile $(LOCK_FLAGS) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	@$(BIN)/uv pip compile $(LOCK_FLAGS) requirements/build.in -o requirements/build.txt

strings: $(VENV)/.dev ## print every user-visible text; with ARGS=--problems only those to rewrite
	@$(BIN)/python -m tests.support.user_visible_strings $(ARGS)

clean: ## remove everything that the other targets created
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
