# 城脑 Chengnao. `make` alone lists the commands.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL_VENV := .venv-wheel
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
LOCKED := --no-deps --require-hashes -r
PAGE := src/chengnao/console/static/index.html
CONSOLE_SOURCES := $(shell find web -name node_modules -prune -o -type f -print 2>/dev/null)
PACKAGE_SOURCES := $(shell find src \( -name __pycache__ -o -path '*/console/static' \) -prune -o -type f -print 2>/dev/null)
LONGEST := 500
WORKERS ?= 2
UV := uv==0.13.9

.PHONY: help up down install dev console wheel test check bench lock clean

help:
	@echo "make up       安装并启动平台和演示城市 / install and start, with the demonstration city"
	@echo "make down     停止 / stop"
	@echo "make test     运行全部测试 / run all tests"
	@echo "make check    代码检查 / lint, types, dependency rules, file lengths"
	@echo "make bench    性能测量 / measurements"
	@echo "make console  构建网页控制台 / build the web console"
	@echo "make lock     重新生成依赖锁（UPGRADE=1 升级）/ make the locks again (UPGRADE=1 for newer versions)"

up: install console
	@$(BIN)/chengnao up --demo

down:
	@$(BIN)/chengnao down

# --- environment -------------------------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "需要 Python 3.11 或更高版本：make PYTHON=python3.12 up / Python 3.11 or newer is needed"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "无法创建虚拟环境；Debian/Ubuntu 请先安装 python3-venv / install python3-venv first"; exit 2; }

$(VENV)/.core: requirements/core.txt | $(BIN)/python
	@echo "安装依赖 / installing the locked dependencies ..."
	@began=$$(date +%s); $(PIP) $(LOCKED) requirements/core.txt && \
	  echo "  $$(($$(date +%s) - began)) s, $(VENV): $$(du -sh $(VENV) | cut -f1)"
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(BIN)/python
	@echo "安装开发依赖 / installing the locked development dependencies ..."
	@$(PIP) $(LOCKED) requirements/dev.txt
	@touch $@ $(VENV)/.core

$(VENV)/.project: pyproject.toml hatch_build.py | $(VENV)/.core
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/.core $(VENV)/.project

dev: $(VENV)/.dev $(VENV)/.project

# --- console and wheel -------------------------------------------------------------------------------------------

console: $(PAGE)

$(PAGE): $(CONSOLE_SOURCES)
	@echo "构建控制台 / building the console ..."
	@$(PYTHON) scripts/build_console.py
	@touch $@

wheel: $(WHEEL_VENV)/.wheel

# The wheel's environment borrows the dependencies of $(VENV) and carries the project itself as users get it.
$(WHEEL_VENV)/.wheel: $(VENV)/.dev $(PAGE) pyproject.toml hatch_build.py $(PACKAGE_SOURCES)
	@echo "构建并安装 wheel / building and installing the wheel ..."
	@rm -rf dist $(WHEEL_VENV)
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	@$(BIN)/python -m venv $(WHEEL_VENV)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > $$($(WHEEL_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dependencies.pth
	@$(WHEEL_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps dist/*.whl
	@touch $@

# --- checks and tests --------------------------------------------------------------------------------------------

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@long=$$(find src tests benchmarks scripts web/src -type f \( -name '*.py' -o -name '*.ts' -o -name '*.tsx' \) \
	  ! -name '*.d.ts' -exec awk 'END { if (NR > $(LONGEST)) print FILENAME": "NR }' {} \;); \
	if [ -n "$$long" ]; then echo "超过 $(LONGEST) 行 / over $(LONGEST) lines:"; echo "$$long"; exit 1; fi

test: dev wheel
	@sh scripts/browser.sh
	@sh scripts/broker.sh $(CURDIR)/$(VENV)
	CHENGNAO_WHEEL_VENV=$(CURDIR)/$(WHEEL_VENV) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

bench: dev
	@for file in $$(ls benchmarks | grep -v '^_' | grep '\.py$$'); do \
	  $(BIN)/python -m benchmarks.$${file%.py} $(ARGS) || exit 1; done

# --- locks -------------------------------------------------------------------------------------------------------

COMPILE = .venv-lock/bin/uv pip compile --universal --generate-hashes --no-header --quiet --python-version 3.11 \
  $(if $(UPGRADE),--upgrade)

EXTRAS := llm speech training

lock:
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/pip --disable-pip-version-check --quiet install $(UV)
	$(COMPILE) pyproject.toml requirements/build.in --extra city --extra agents --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra city --extra agents -c requirements/dev.txt \
	  -o requirements/core.txt
	@for extra in $(EXTRAS); do \
	  $(COMPILE) pyproject.toml requirements/build.in --extra city --extra agents --extra $$extra \
	    -c requirements/dev.txt -o requirements/$$extra.txt || exit 1; done
	$(COMPILE) --group console -o requirements/console.txt
	$(COMPILE) requirements/litellm.in -o requirements/litellm.txt
	@rm -rf .venv-lock

clean:
	rm -rf $(VENV) $(WHEEL_VENV) .venv-console dist web/node_modules src/chengnao/console/static
