# cprof: everything is built and tested from here. `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:

BUILD  ?= build
PREFIX ?= /usr/local
PYTHON ?= python3
CC     ?= gcc
OPT    ?= -O2 -g

WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror
CSTD   := -std=gnu11 -fPIC -fvisibility=hidden -fno-omit-frame-pointer -ftls-model=initial-exec
CPPFLAGS_ALL = -Icsrc -I$(BUILD)/gen $(CPPFLAGS)
CFLAGS_ALL   = $(CSTD) $(OPT) $(WARN) $(CFLAGS)
CORE_LIBS    := -levent_extra -levent_core -lprotobuf-c -lz -ldw -lelf -l:libiberty.a

CORE_ROOMS := base base/any sig sampler profile symbol encode http api
CORE_SRC   := $(foreach r,$(CORE_ROOMS),$(wildcard csrc/$(r)/*.c))
CORE_OBJ    = $(CORE_SRC:csrc/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gen/profile.pb-c.o

core: $(BUILD)/libcprof_core.so $(BUILD)/libcprof.so

$(BUILD)/gen/profile.pb-c.c $(BUILD)/gen/profile.pb-c.h &: csrc/encode/profile.proto
	@mkdir -p $(BUILD)/gen
	protoc-c --c_out=$(BUILD)/gen --proto_path=csrc/encode profile.proto

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.o: csrc/%.c | $(BUILD)/gen/profile.pb-c.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/libcprof_core.so: $(CORE_OBJ)
	$(CC) $(OPT) $(LDFLAGS) -shared -Wl,-soname,libcprof_core.so -Wl,-z,now -Wl,-z,nodelete -Wl,--exclude-libs,ALL \
	    -Wl,--no-undefined -o $@ $^ $(CORE_LIBS) -lpthread
-include $(CORE_OBJ:.o=.d)

# Everything of the core as one archive, for tests that look inside.
$(BUILD)/libcprof_all.a: $(CORE_OBJ)
	@rm -f $@
	ar rcs $@ $^

# C tests: one program per file, each exits 0 or says what failed.
CTEST_BIN = $(patsubst tests/c/%.c,$(BUILD)/ctest/%,$(wildcard tests/c/test_*.c))
$(BUILD)/ctest/%: tests/c/%.c tests/c/check.h $(BUILD)/libcprof_all.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -Itests/c $(filter-out -fvisibility=hidden,$(CFLAGS_ALL)) -o $@ $< $(BUILD)/libcprof_all.a $(CORE_LIBS) -lpthread
ctest: $(CTEST_BIN)
	@set -e; for t in $^; do echo "$$t"; $$t; done
