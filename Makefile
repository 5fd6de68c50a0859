# cprof: everything is built, tested and measured from here.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BUILD   ?= build/c
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
PYTHON  ?= python3
OPT     ?= -O2 -g

VERSION := $(shell sed -n 's/^#define CPROF_VERSION "\(.*\)"/\1/p' csrc/api/cprof.h)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror
CSTD := -std=gnu11 -fPIC -fvisibility=hidden -ftls-model=initial-exec

CPPFLAGS_ALL = -D_GNU_SOURCE= -Icsrc -I$(BUILD)/gen $(CPPFLAGS)
CFLAGS_ALL   = $(CSTD) $(OPT) $(WARN) $(CFLAGS)

# Inside the core and hidden where the static library is there and position-independent: then no symbol of the host can
# take a dependency's place, and none of ours the host's. libdw.a is not position-independent on Debian.
inside     = $(if $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a)),-l:lib$(1).a,-l$(1))
CORE_LIBS := $(foreach l,event_extra event_core protobuf-c z iberty,$(call inside,$(l))) -ldw -lelf -lpthread

# The rooms of the core, left to right: a file includes only its own room and rooms before it (tests/test_layers.py).
ROOMS     := base base/any vars sig hook sampler profile symbol encode http api
CORE_SRC  := $(foreach r,$(ROOMS),$(wildcard csrc/$(r)/*.c))
CORE_OBJ   = $(CORE_SRC:csrc/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gen/profile.pb-c.o
VARS_OBJ  := $(patsubst csrc/%.c,$(BUILD)/obj/%.o,$(wildcard csrc/vars/*.c))
FRONT_OBJ  = $(addprefix $(BUILD)/obj/,door/linked.o door/vars.o door/labels.o door/newthread.o door/open.o base/any/labelword.o base/definition.o base/labels.o base/lock.o base/say.o base/slab.o base/status.o) \
    $(VARS_OBJ)
STUB_OBJ   = $(addprefix $(BUILD)/obj/,door/preload.o door/entries.o door/open.o base/say.o base/definition.o hook/environment.o)
WRITER_OBJ = $(BUILD)/obj/door/write.o
LIBRARIES  = $(addprefix $(BUILD)/,libcprof_core.so libcprof.so libcprof_preload.so)
WRITER     = $(BUILD)/cprof_write

##@ Start here

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Build all, profile a small C server for 5 s, show table and flame graph
	@.venv/bin/python examples/demo.py

test: build .venv/.test ## Everything: C, sanitizers, lint, layers, programs, Python
	@.ci/install build test
	@failed=0; .venv/bin/pytest -n $(shell nproc) --dist loadfile -m 'not long and not alone' || failed=1; \
	.venv/bin/pytest -m 'not long and alone' || failed=1; exit $$failed

##@ Build

build: .venv/.built ## The C core and .venv/bin/cprof

core: $(LIBRARIES) $(WRITER) ## Only the C libraries; needs no Python

install: core ## Install header, libraries and .pc file: PREFIX=/usr/local DESTDIR=
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 csrc/api/cprof.h $(DESTDIR)$(PREFIX)/include/cprof.h
	install -m 755 $(LIBRARIES) $(WRITER) $(DESTDIR)$(LIBDIR)/
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' csrc/api/cprof.pc.in \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/cprof.pc

clean: ## Remove what was built (.venv stays)
	rm -rf build demo cprof/lib cprof/include cprof/*.so *.egg-info .venv/.built

##@ Test more

asan: ## The plain-C rooms under AddressSanitizer and UBSan
	@.ci/install build test
	$(MAKE) --no-print-directory ctest BUILD=build/asan OPT='-O1 -g' CPPFLAGS=-DCPROF_CHECK \
	    CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'

tsan: ## The plain-C rooms under ThreadSanitizer
	@.ci/install build test
	TSAN_OPTIONS='die_after_fork=0 suppressions=$(CURDIR)/tests/c/tsan.supp' $(MAKE) --no-print-directory ctest BUILD=build/tsan OPT='-O1 -g' CPPFLAGS=-DCPROF_CHECK \
	    CFLAGS='-fsanitize=thread -fno-omit-frame-pointer -Wno-error=tsan'

aarch64: ## Compile (not run) every C file for aarch64
	@.ci/install build test
	$(MAKE) --no-print-directory objects BUILD=build/aarch64 CC=aarch64-linux-gnu-gcc \
	    CPPFLAGS='-idirafter /usr/include -idirafter /usr/include/$(shell gcc -print-multiarch)'

test-matrix: build .venv/.test ## The Python half over every CPython found, 3.9 to 3.13
	CPROF_MATRIX=all .venv/bin/pytest tests/test_install.py

nightly: build .venv/.test ## The long forms: hours of storms, whole foreign test suites, all interpreters
	@.ci/install build test
	CPROF_STORM_SECONDS=$(or $(STORM_SECONDS),3600) .venv/bin/pytest -m long
	CPROF_MATRIX=all .venv/bin/pytest tests/test_install.py
	$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600)

fuzz: ## Fuzz what reads and what writes strangers' bytes for FUZZ_SECONDS (60) each
	@.ci/install build fuzz || true
	.ci/fuzz $(or $(FUZZ_SECONDS),60) $(FUZZERS)

bench: build ## Cost beside gperftools, into bench/RESULTS.md
	@.ci/install build bench
	.venv/bin/python bench/run.py

##@ Keep clean

C_FILES = $(shell git ls-files -co --exclude-standard 'csrc/*.[ch]' 'tests/*.[ch]' 'tests/*.cc' 'examples/*.c' 'bench/*.c')

lint: build .venv/.test ## clang-format, clang-tidy, ruff, mypy --strict
	@.ci/install test
	@clang-format-14 --dry-run --Werror $(C_FILES)
	@printf '%s\n' $(CORE_SRC) $(wildcard csrc/door/*.c) | \
	    xargs -P $(shell nproc) -n 6 sh -c 'clang-tidy-14 --quiet "$$@" -- -std=gnu11 $(CPPFLAGS_ALL)' tidy
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

fmt: .venv/.test ## Format C and Python
	@.ci/install test
	@clang-format-14 -i $(C_FILES)
	.venv/bin/ruff check --fix -q
	.venv/bin/ruff format -q

docs: build .venv/.test ## Render README, docs/ and cprof.h to build/docs
	.venv/bin/python docs/render.py build/docs

# --- the core -------------------------------------------------------------------------------------------------

$(BUILD)/.deps:
	@.ci/install build
	@mkdir -p $(BUILD) && touch $@

$(BUILD)/gen/profile.pb-c.c $(BUILD)/gen/profile.pb-c.h &: csrc/encode/profile.proto | $(BUILD)/.deps
	@mkdir -p $(BUILD)/gen
	protoc-c --c_out=$(BUILD)/gen --proto_path=csrc/encode profile.proto

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.o: csrc/%.c | $(BUILD)/gen/profile.pb-c.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# A handler may run on a thread that has no thread pointer, where a stack protector looks for its canary.
$(BUILD)/obj/sig/%.o $(BUILD)/obj/base/any/%.o: CFLAGS_ALL += -fno-stack-protector

# The files that the target serves to browsers are taken in by the assembler.
WEB = $(wildcard cprof/web/*.html cprof/web/*.css cprof/web/*.js)
$(BUILD)/obj/http/webfiles.o: $(WEB)

# The intercepted functions once more, under libc's own names: see csrc/hook/entries.h.
$(BUILD)/obj/door/entries.o: csrc/hook/entries.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -DHOOK_EXPORT $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# -z now: the first call of a function from the handler must not enter the loader. nodelete: threads run in it.
$(BUILD)/libcprof_core.so: $(CORE_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libcprof_core.so -Wl,-z,now,-z,relro,-z,nodelete \
	    -Wl,--exclude-libs,ALL -Wl,--no-undefined -o $@ $^ $(CORE_LIBS)

$(BUILD)/libcprof.so: $(FRONT_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libcprof.so -Wl,-z,now,-z,relro,-z,nodelete -Wl,--no-undefined -o $@ $^ -ldl

# Its functions stand in for libc's own from the first call on.
$(BUILD)/libcprof_preload.so: $(STUB_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libcprof_preload.so -Wl,-z,now,-z,relro,-z,nodelete \
	    -Wl,--no-undefined -o $@ $^ -ldl

$(WRITER): $(WRITER_OBJ) $(BUILD)/libcprof_core.so
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(WRITER_OBJ) -L$(BUILD) -lcprof_core -Wl,-z,now,-rpath,'$$ORIGIN'

DOOR_OBJ = $(sort $(FRONT_OBJ) $(STUB_OBJ) $(WRITER_OBJ))
objects: $(CORE_OBJ) $(DOOR_OBJ)

-include $(CORE_OBJ:.o=.d) $(DOOR_OBJ:.o=.d)

# --- plain-C tests: one program per file; each exits 0 or says what failed --------------------------------------

$(BUILD)/libcprof_all.a: $(CORE_OBJ)
	@rm -f $@
	ar rcs $@ $^

CTESTS     := $(patsubst tests/c/%.c,%,$(wildcard tests/c/test_*.c))
FUZZERS    := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
CTEST_LIBS := $(CORE_LIBS) -lunwind -lunwind-$(shell uname -m) -lm
$(BUILD)/ctest/%: tests/c/%.c tests/c/check.h $(BUILD)/libcprof_all.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -Itests/c $(filter-out -fvisibility=hidden,$(CFLAGS_ALL)) -o $@ $< $(BUILD)/libcprof_all.a $(CTEST_LIBS)

$(BUILD)/ctest/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/driver.c $(BUILD)/libcprof_all.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(filter-out -Wmissing-prototypes,$(CFLAGS_ALL)) -o $@ $(filter %.c %.a,$^) $(CTEST_LIBS)

print-core-libs:
	@echo $(CORE_LIBS)

ctest-build: $(CTESTS:%=$(BUILD)/ctest/%) $(FUZZERS:%=$(BUILD)/ctest/fuzz_%)
ctest: ctest-build
	@failed=""; for t in $(CTESTS); do echo "== $$t"; timeout 300 $(BUILD)/ctest/$$t || failed="$$failed $$t"; done; \
	for f in $(FUZZERS); do echo "== fuzz_$$f"; \
	timeout 300 $(BUILD)/ctest/fuzz_$$f -runs=20000 -seed=1 tests/fuzz/corpus/$$f || failed="$$failed fuzz_$$f"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

# --- .venv --------------------------------------------------------------------------------------------------------

PY_SRC = setup.py pyproject.toml $(wildcard csrc/*/*.[ch] csrc/*/*/*.[ch] csrc/api/*.in csrc/encode/*.proto cprof/web/*.[hcj]*)

.venv/bin/pip:
	@.ci/install build python
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q --disable-pip-version-check 'setuptools>=70.1'

.venv/.built: .venv/bin/pip $(PY_SRC)
	@.ci/install build python
	.venv/bin/pip install -q --disable-pip-version-check --no-build-isolation -e .
	@touch $@

.venv/.test: .venv/.built
	.venv/bin/pip install -q --disable-pip-version-check --no-build-isolation -e '.[test]'
	@touch $@

.PHONY: help demo test nightly build core install clean asan tsan aarch64 test-matrix fuzz bench lint fmt docs objects \
    ctest ctest-build print-core-libs
