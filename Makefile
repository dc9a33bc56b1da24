# cooper: one Makefile, no recursion. `make help` lists the targets.

VERSION := 0.1.0
MODE ?= release
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
B := build/$(MODE)
CC ?= gcc
CLANG ?= clang
T ?=

# ---- The house: which folder may include and call which (docs/architecture.md) -----------------------------------
FOLDERS := base dockerfile imagefmt run registry builder cmd
KNOWS_base :=
KNOWS_dockerfile := base
KNOWS_imagefmt := base
KNOWS_run := base
KNOWS_registry := imagefmt base
KNOWS_builder := registry run imagefmt dockerfile base
KNOWS_cmd := builder registry run imagefmt dockerfile base

# ---- Flags ---------------------------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla \
	-Wformat=2 -Wno-format-nonliteral -Wimplicit-fallthrough -Wno-missing-field-initializers -Wno-unused-parameter
WARN_GCC := -Wjump-misses-init -Wlogical-op
FLAGS_release := -O2
FLAGS_debug := -Og -g -Werror
FLAGS_asan := -O1 -g -Werror -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FLAGS_coverage := -O0 -g --coverage
ifeq ($(filter $(MODE),release debug asan coverage),)
$(error MODE is one of release, debug, asan, coverage)
endif
IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null | head -n 1))
LIBS := -ljansson -lcap -ldl -pthread
HARDEN := -fstack-protector-strong -fPIE
ifeq ($(MODE),release)
HARDEN += -D_FORTIFY_SOURCE=2
endif
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DCOOPER_VERSION='"$(VERSION)"' -DCOOPER_SYSCONFDIR='"$(SYSCONFDIR)"' $(CPPFLAGS)
CFLAGS_ALL := -std=gnu17 -pthread $(WARN) $(if $(IS_CLANG),,$(WARN_GCC)) $(HARDEN) $(FLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now,--as-needed $(filter -fsanitize=% --coverage,$(FLAGS_$(MODE))) $(LDFLAGS)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

# ---- Sources ---------------------------------------------------------------------------------------------------------
sources = $(wildcard $(1)/*.c)
objects = $(patsubst %.c,$(B)/%.o,$(call sources,$(1)))
library = $(B)/lib$(1).a
ALL_SOURCES := $(foreach f,$(FOLDERS),$(call sources,$(f)))
ALL_HEADERS := $(foreach f,$(FOLDERS),$(wildcard $(f)/*.h))
HAVE := $(foreach f,$(FOLDERS),$(if $(call sources,$(f)),$(f)))

.PHONY: all
all: $(B)/cooper compile_commands.json

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define library_rule
$(call library,$(1)): $(call objects,$(1))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
.PHONY: lib-$(1)
lib-$(1): $(call library,$(1))
endef
$(foreach f,$(HAVE),$(eval $(call library_rule,$(f))))

# The init of a step (run/init/): freestanding, static, embedded in cooper and started from a sealed memory file.
$(B)/run/init/init: run/init/init.c run/init/protocol.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -Os -Wall -Wextra -ffreestanding -fno-stack-protector -fno-pic -fno-pie -no-pie -static -nostdlib \
		-fno-asynchronous-unwind-tables -Wl,--build-id=none,-z,noexecstack -s -o $@ $<
$(B)/run/init_image.o: $(B)/run/init/init
$(B)/run/init_image.o: CPPFLAGS_ALL += -DINIT_IMAGE='"$(B)/run/init/init"'

$(B)/cooper: $(foreach f,$(filter $(HAVE),$(KNOWS_cmd) cmd),$(call library,$(f)))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(LIBS)

compile_commands.json: Makefile $(ALL_SOURCES)
	$(Q){ printf '['; sep=; for s in $(ALL_SOURCES); do \
		printf '%s\n{"directory":"%s","file":"%s","arguments":["cc","-I.","-D_GNU_SOURCE","-DCOOPER_VERSION=\\"\\"","-std=gnu17","-c","%s"]}' \
		"$$sep" "$(CURDIR)" "$$s" "$$s"; sep=,; done; printf '\n]\n'; } > $@

# ---- Unit tests: a test links its own folder and what that folder knows, nothing else ---------------------------------
UNIT_SOURCES := $(foreach f,$(FOLDERS),$(wildcard tests/unit/$(f)/*_test.c))
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(UNIT_SOURCES))

define unit_rule
$(B)/tests/unit/$(1)/%_test: tests/unit/$(1)/%_test.c $(foreach f,$(filter $(HAVE),$(1) $(KNOWS_$(1))),$(call library,$(f)))
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) -Wno-missing-prototypes $$(LDFLAGS_ALL) -MMD -MP -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS) -lcmocka
.PHONY: unit-$(1)
unit-$(1): $(patsubst tests/unit/$(1)/%.c,$(B)/tests/unit/$(1)/%,$(wildcard tests/unit/$(1)/*_test.c))
	@set -e; for t in $$^; do $$$$t; done
endef
$(foreach f,$(FOLDERS),$(eval $(call unit_rule,$(f))))

.PHONY: unit
unit: $(UNIT_TESTS)

-include $(patsubst %.c,$(B)/%.d,$(ALL_SOURCES)) $(addsuffix .d,$(UNIT_TESTS))

.PHONY: clean
clean:
	rm -rf build compile_commands.json
