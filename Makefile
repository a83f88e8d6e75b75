# The commands of developers and of CI. They need cargo, and for the clients python3, npm, go and mvn. Every other tool is
# installed into .tools/ at the version pinned here, in clients/python/requirements.txt, clients/typescript/package.json or
# clients/java/pom.xml.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help build run test test-clients stubs reference lint breaking test-deploy test-mesh bench-quota bench-stale bench-admitted bench-serve fuzz siege soak

GRPCURL := github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
PROTOC_GEN_GO := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

KUSTOMIZE := sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
HELM := helm.sh/helm/v3/cmd/helm@v3.22.0
PROMTOOL := github.com/prometheus/prometheus/cmd/promtool@v0.316.0

PROTOS := $(wildcard proto/stockroom/v1/*.proto)
BIN := $(CURDIR)/.tools/bin
VENV := .tools/venv
DESCRIPTORS = python -m grpc_tools.protoc -Iproto --include_source_info --descriptor_set_out=/dev/stdout $(PROTOS)
NODE := clients/typescript/node_modules
MAVEN := mvn --quiet --batch-mode --file clients/java
export PATH := $(CURDIR)/$(VENV)/bin:$(BIN):$(CURDIR)/$(NODE)/.bin:$(PATH)

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name words; do \
	    printf '  make %-14s %s\n' "$$name" "$$words"; done

build: ## Build the gateway
	cargo build --locked

run: ## Serve invented products on port 50051
	cargo run --locked -- serve --sandbox

test: gen/python/.made .tools/.redis ## Run the Rust tests, then the Python client's tests against a gateway
	FUZZ_SECONDS=60 cargo test --locked --workspace
	cargo test --locked --no-default-features --lib -- cli::
	cargo build --locked
	clients/with-gateway pytest clients/python

# A browser's client takes no certificate authority of its own.
WEB_CONFORMANCE = sh -c "NODE_EXTRA_CA_CERTS=$$STOCKROOM_CA_FILE exec node .tools/try/typescript/conformance.mjs $$0"

test-clients: build stubs $(BIN)/grpcurl .tools/.chromium ## Check the client packages as installed, and the pages in a browser
	diff -r gen/go/stockroomv1 clients/go/stockroomv1
	cd clients/go && go vet ./... && go test ./...
	clients/with-gateway clients/try
	clients/with-gateway pytest --quiet -p no:cacheprovider tests/browser
	pytest --quiet -p no:cacheprovider tests/mcp
	clients/install go python typescript java rust
	clients/conformance/run \
	    'go=.tools/try/go/conformance' \
	    'python=.tools/try/python/bin/python .tools/try/python/conformance.py sync' \
	    'python asyncio=.tools/try/python/bin/python .tools/try/python/conformance.py asyncio' \
	    'typescript=node .tools/try/typescript/conformance.mjs' \
	    'typescript connect-http2=node .tools/try/typescript/conformance.mjs connect-http2' \
	    'typescript connect=$(WEB_CONFORMANCE) connect' \
	    'typescript grpc-web=$(WEB_CONFORMANCE) grpc-web' \
	    'java=java -cp .tools/try/java/classes:.tools/try/java/target/dependency/* Conformance' \
	    'rust=.tools/try/rust/conformance'
	node .tools/try/typescript/browser.mjs

test-deploy: build .tools/deploy/.made $(BIN)/kustomize $(BIN)/helm $(BIN)/promtool ## Render and validate deploy/: manifests, chart, alerts, dashboard
	.tools/deploy/bin/python deploy/check

test-mesh: build $(BIN)/mesh-load .tools/.haproxy ## Restart gateways under load behind haproxy and behind an xDS client, a minute
	LOAD=$(BIN)/mesh-load tests/mesh/run

stubs: gen/python/.made gen/.made ## Generate the stubs into gen/, and Go's into clients/go as well
	cp gen/go/stockroomv1/* clients/go/stockroomv1/

reference: $(VENV)/.made ## Generate docs/reference.md from the comments of the contract
	$(DESCRIPTORS) | proto/reference > docs/reference.md

lint: $(NODE)/.package-lock.json $(VENV)/.made ## Run rustfmt, clippy, rustdoc and buf
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps
	buf lint
	buf breaking --against proto/released/v0.1.0.binpb
	$(DESCRIPTORS) | proto/reference | diff docs/reference.md -

breaking: $(NODE)/.package-lock.json ## Check the contract for changes that break the last release or the branch main
	buf breaking --against proto/released/v0.1.0.binpb
	buf breaking --against '.git#branch=main'

bench-quota: ## Measure the calls that two simulated days of lookups need; with QUOTA_REDIS=1 also of two replicas, longer
	cargo bench --locked --bench quota

bench-stale: ## Measure what stale reads cost while Amazon does not answer, two minutes; longer with STALE_SECONDS=1200
	cargo bench --locked --bench stale

bench-serve: .tools/.redis .tools/.h2load ## Compare cached answers with a bare tonic server, minutes; faster with ROUNDS=1
	cargo build --locked --release --package stockroom --package bench-serve
	$${CARGO_TARGET_DIR:-target}/release/bench-serve

bench-admitted: .tools/.redis ## Measure how many admitted requests are in time, at 1, 2 and 4 replicas
	cargo bench --locked --profile dev --bench admitted
fuzz: ## Run the fuzz targets for a minute; longer with FUZZ_SECONDS=600
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} cargo test --locked --release --test fuzz -- --nocapture

siege: ## Let peers that misbehave besiege a gateway over loopback, three minutes
	cargo bench --locked --bench siege

soak: .tools/.redis .tools/.faketime ## Make Redis, a gateway and Amazon fail under load, five minutes; shorter with SOAK_SECONDS=120
	cargo bench --locked --profile dev --bench soak

# The tests start their own Redis from Debian's package.
.tools/.redis:
	command -v redis-server >/dev/null || { apt-get update -qq && apt-get install -y -qq redis-server; }
	mkdir -p $(@D) && touch $@

# A proxy that speaks HTTP/2 to both sides.
.tools/.haproxy:
	command -v haproxy >/dev/null || { apt-get update -qq && apt-get install -y -qq haproxy; }
	mkdir -p $(@D) && touch $@

# Steps the clocks of gateways.
.tools/.faketime:
	ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null || { apt-get update -qq && apt-get install -y -qq faketime; }
	mkdir -p $(@D) && touch $@

# Debian's packages of Chromium and of its driver.
.tools/.chromium:
	command -v chromedriver >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium chromium-driver; }
	mkdir -p $(@D) && touch $@

.tools/.h2load:
	command -v h2load >/dev/null || { apt-get update -qq && apt-get install -y -qq nghttp2-client; }
	mkdir -p $(@D) && touch $@

gen/python/.made: $(PROTOS) $(wildcard clients/python/src/stockroom/*) clients/python/pyproject.toml clients/service-config.json $(VENV)/.made
	rm -rf $(@D) && mkdir -p $(@D)
	cp -r clients/python/src/stockroom clients/python/pyproject.toml clients/python/README.md $(@D)
	cp clients/service-config.json $(@D)/stockroom
	python -m grpc_tools.protoc --proto_path=proto --{python,pyi,grpc_python}_out=$(@D) $(PROTOS)
	touch $@

# TypeScript has no library with the messages of error details; their proto files come with googleapis-common-protos.
gen/.made: $(PROTOS) buf.gen.yaml $(wildcard clients/typescript/*.json clients/typescript/src/*) clients/service-config.json $(VENV)/.made $(NODE)/.package-lock.json \
    $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc $(BIN)/protoc-gen-grpc-java
	rm -rf gen/go gen/java gen/typescript
	buf generate
	google=$$(python -c 'import google.rpc as g; print(*g.__path__)'); \
	buf generate "$$google/../.." --path "$$google/error_details.proto" --template \
	    '{version: v2, plugins: [{local: protoc-gen-es, out: gen/typescript/src/gen, opt: [target=ts, import_extension=js]}]}'
	cp -r clients/typescript/{package.json,tsconfig.json,README.md,src} gen/typescript
	{ echo -n 'export const serviceConfig = '; printf '%s as const;\n' "$$(cat clients/service-config.json)"; } > gen/typescript/src/service-config.ts
	ln -s ../../$(NODE) gen/typescript/node_modules
	touch $@

$(VENV)/.made: clients/python/requirements.txt
	rm -rf $(@D)
	python3 -m venv $(@D)
	pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

.tools/deploy/.made: deploy/requirements.txt
	rm -rf $(@D)
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(NODE)/.package-lock.json: clients/typescript/package-lock.json
	npm --prefix clients/typescript ci --ignore-scripts --no-audit --no-fund
	touch $@

$(BIN)/grpcurl: PACKAGE := $(GRPCURL)
$(BIN)/helm: PACKAGE := $(HELM)
$(BIN)/kustomize: PACKAGE := $(KUSTOMIZE)
$(BIN)/promtool: PACKAGE := $(PROMTOOL)
$(BIN)/protoc-gen-go: PACKAGE := $(PROTOC_GEN_GO)
$(BIN)/protoc-gen-go-grpc: PACKAGE := $(PROTOC_GEN_GO_GRPC)
$(BIN)/grpcurl $(BIN)/helm $(BIN)/kustomize $(BIN)/promtool $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc: Makefile
	GOBIN=$(BIN) go install $(PACKAGE)
	touch $@

$(BIN)/mesh-load: $(wildcard tests/mesh/load/*)
	cd tests/mesh/load && go build -o $@ .

# Also installs protoc.
$(BIN)/protoc-gen-grpc-java: clients/java/pom.xml
	$(MAVEN) dependency:copy@tools
	chmod +x $(@D)/protoc $@
	touch $@
