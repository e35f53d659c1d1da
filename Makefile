# Two commands do all: `make demo` opens a simulated room, `make test` checks everything.
# Each installs what it needs: a virtual environment here, and system packages when run as root.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMPS := .stamps
PORT   ?= 8080
PYTEST ?= -n 3 --dist loadfile

# Debian packages: what the demo needs from the system, and what only the tests need.
DEMO_PACKAGES := mosquitto
TEST_PACKAGES := $(DEMO_PACKAGES) avahi-daemon avahi-utils chromium dbus faketime ffmpeg fonts-dejavu-core \
  fonts-noto-core fonts-noto-cjk gir1.2-gst-rtsp-server-1.0 gstreamer1.0-libav gstreamer1.0-plugins-bad \
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-tools \
  liblo-tools mosquitto-clients openssh-server pulseaudio pulseaudio-utils python3-gst-1.0 ser2net socat \
  tesseract-ocr xvfb
GUEST_PACKAGES := $(TEST_PACKAGES) busybox-static gcc-12 kmod make qemu-system-x86

.DEFAULT_GOAL := help
.PHONY: help demo test lint types tests guest bench bench-gpu fuzz soak pin web clean system-demo system-test

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(STAMPS)/run $(STAMPS)/web system-demo ## Open a whole simulated room at http://localhost:8080
	@$(BIN)/classroomd demo --port $(PORT)

test: $(STAMPS)/dev $(STAMPS)/web system-test lint types tests ## Check style, types and behaviour

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types:
	$(BIN)/mypy

tests:
	$(BIN)/pytest $(PYTEST)

bench: $(STAMPS)/dev $(STAMPS)/web system-test ## Run benchmarks (NAME=… for one); ratios on the last line
	$(BIN)/python -m benchmarks $(NAME)

bench-gpu: $(STAMPS)/dev system-test ## Measure lectures on this machine's GPU; one line says so where there is none
	$(BIN)/python -m benchmarks gpu

fuzz: $(STAMPS)/dev ## Fuzz everything that reads bytes from the wire (SECONDS=60)
	$(BIN)/python tests/fuzz/wire.py -max_total_time=$(or $(SECONDS),60)

soak: $(STAMPS)/dev ## Hold a class of six hours in real time (HOURS=… for another length)
	$(BIN)/python -m benchmarks._soak $(HOURS)

guest: $(STAMPS)/dev ## Try devices that can be pulled out, and set clocks, in a virtual machine (ACCEL=kvm)
	@sh deploy/system-packages.sh $(GUEST_PACKAGES)
	$(BIN)/python tests/guest/machine.py

pin: $(STAMPS)/dev ## Pin the newest allowed requirements, with hashes and without hosts
	$(BIN)/python requirements/pin.py

web: $(STAMPS)/web ## Build the pages

# --- what the above stand on -------------------------------------------------------------------

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "classroomd needs Python 3.11 to 3.13")'
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/run: requirements/run.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@mkdir -p $(STAMPS)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/run
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

$(STAMPS)/web: $(STAMPS)/run $(shell find dashboard/web -path '*/node_modules' -prune -o -path '*/dist' -prune -o -type f -print 2>/dev/null) build_web.py
	$(BIN)/python build_web.py
	@touch $@

system-demo:
	@sh deploy/system-packages.sh $(DEMO_PACKAGES)

system-test:
	@sh deploy/system-packages.sh $(TEST_PACKAGES)

clean: ## Remove what was built here
	rm -rf $(VENV) $(STAMPS) dashboard/web/dist dashboard/web/node_modules .mypy_cache .ruff_cache .pytest_cache
