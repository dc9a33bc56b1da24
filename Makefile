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
# Not for MODE=: `make fuzz` sets it, with clang.
FLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
ifeq ($(filter $(MODE),release debug asan coverage fuzz),)
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
all: $(B)/cooper compile_commands.json ## build/$(MODE)/cooper

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define library_rule
$(call library,$(1)): $(call objects,$(1))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
.PHONY: lib-$(1)
lib-$(1): $(call library,$(1))
endef
$(foreach f,$(HAVE),$(eval $(call library_rule,$(f))))

# The init of a step (run/init/): freestanding, static, embedded in cooper and started from a sealed memory file.
$(B)/run/init/init: run/init/init.c run/init/protocol.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -Os -Wall -Wextra -I. -ffreestanding -fno-stack-protector -fno-pic -fno-pie -static -nostdlib \
		-fno-asynchronous-unwind-tables -Wl,--build-id=none,-z,noexecstack,-z,noseparate-code -s -o $@ $<
$(B)/run/init_image.o: $(B)/run/init/init
$(B)/run/init_image.o: CPPFLAGS_ALL += -DINIT_IMAGE='"$(B)/run/init/init"'

# The loader of a translated root (run/loader/), in the same way; where it lies in memory is the kernel's to choose.
$(B)/run/loader/loader: run/loader/loader.c run/loader/protocol.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -Os -Wall -Wextra -I. -ffreestanding -fno-stack-protector -fno-builtin -fpie -static-pie -nostdlib \
		-fno-asynchronous-unwind-tables -Wl,--build-id=none,-z,noexecstack,-z,noseparate-code -s -o $@ $<
$(B)/run/loader_image.o: $(B)/run/loader/loader
$(B)/run/loader_image.o: CPPFLAGS_ALL += -DLOADER_IMAGE='"$(B)/run/loader/loader"'

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
clean: ## remove everything that was built
	rm -rf build compile_commands.json

# ---- Tests, checks, installation ---------------------------------------------------------------------------------------
# The work is in scripts that can be called by themselves: tests/setup, tests/run, tests/lint, tests/fuzz/run, tests/demo.

.DEFAULT_GOAL := all

.PHONY: help
help: ## this list
	@echo 'make [MODE=release|debug|asan|coverage] [V=1] [CC=...] [target]'
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: check
check: ## all tests, as an unprivileged user (T=part-of-a-name, T=unit, T=cli; MODE=asan; CI=1 lists skips)
	+@tests/setup build check
	+@T='$(T)' MODE='$(MODE)' tests/run

.PHONY: demo
demo: ## make a base, build two images on it, push them, and look at them with skopeo
	+@tests/setup build demo
	+@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j $$(nproc))
	@tests/demo $(B)/cooper

# An archive linked as a whole, with nothing behind it but what its folder may know: an upward call does not link.
LINT_LINKS := $(foreach f,$(HAVE),$(B)/lint/$(f))
$(B)/lint/main.o: Makefile
	$(Q)mkdir -p $(@D)
	$(Q)echo 'int main(void) { return 0; }' | $(CC) $(CFLAGS_ALL) -Wno-missing-prototypes -x c -c -o $@ -

define lint_link_rule
$(B)/lint/$(1): $(B)/lint/main.o $(call library,$(1)) $(foreach f,$(filter $(HAVE),$(KNOWS_$(1))),$(call library,$(f)))
	$$(call say,LAYER,$(1))
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $(if $(filter cmd,$(1)),,$(B)/lint/main.o) -Wl,--whole-archive $(call library,$(1)) \
		-Wl,--no-whole-archive -Wl,--start-group $$(filter-out $(call library,$(1)),$$(filter %.a,$$^)) -Wl,--end-group $$(LIBS)
endef
$(foreach f,$(HAVE),$(eval $(call lint_link_rule,$(f))))

.PHONY: lint
lint: $(LINT_LINKS) ## layers, headers, banned functions, format, scripts
	@FOLDERS='$(FOLDERS)' $(foreach f,$(FOLDERS),KNOWS_$(f)='$(KNOWS_$(f))') CC='$(CC)' tests/lint

.PHONY: format
format: ## let clang-format decide
	clang-format -i $(shell find $(FOLDERS) tests -name '*.[ch]')

FUZZ_SOURCES := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_CHOSEN := $(if $(T),$(foreach s,$(FUZZ_SOURCES),$(if $(findstring $(T),$(s)),$(s))),$(FUZZ_SOURCES))
.PHONY: fuzzers fuzz
fuzzers:
	+@$(MAKE) --no-print-directory MODE=fuzz CC='$(CLANG)' $(FUZZ_CHOSEN:%.c=build/fuzz/%)
fuzz: fuzzers ## feed every parser hostile input under the sanitizers (FUZZ_SECONDS=20 for each, T=part-of-a-name)
	@T='$(T)' tests/fuzz/run build/fuzz/tests/fuzz

$(B)/tests/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $(foreach f,$(HAVE),$(call library,$(f)))
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -Wno-missing-prototypes $(LDFLAGS_ALL) -fsanitize=fuzzer -MMD -MP -o $@ $< \
		-Wl,--start-group $(filter-out $(call library,cmd),$(filter %.a,$^)) -Wl,--end-group $(LIBS)
-include $(patsubst %.c,$(B)/%.d,$(FUZZ_SOURCES))

.PHONY: bench
bench: ## measure cooper beside the peers that are installed
	+@$(MAKE) --no-print-directory MODE=release
	@tests/bench/run build/release/cooper

.PHONY: bench-quick bench-publish
bench-quick: ## the same in some minutes: smaller layers, fewer runs and points
	+@$(MAKE) --no-print-directory bench BENCH_QUICK=1
bench-publish: ## bench in full sizes, slow peers once; puts table and plots into README.md and docs/plots
	+@$(MAKE) --no-print-directory bench BENCH_PUBLISH=1

.PHONY: stats
stats: ## sizes of folders, files and functions
	@FOLDERS='$(FOLDERS)' tests/stats

BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
BASH_COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
FISH_COMPLETIONS = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
APPARMOR = $(DESTDIR)$(SYSCONFDIR)/apparmor.d

# The profile is written in AppArmor 4's language: an older one would fail to load it, and has nothing to allow.
.PHONY: install
install: $(B)/cooper ## program, man pages, completion (bash, fish), AppArmor profile (DESTDIR=, PREFIX=/usr/local, SYSCONFDIR=/etc)
	$(call say,INSTALL,$(BINDIR)/cooper)
	$(Q)install -D -m 755 $(B)/cooper $(BINDIR)/cooper
	$(call say,INSTALL,$(MANDIR))
	$(Q)for page in docs/man/*.[1-8]; do \
		test ! -e "$$page" || install -D -m 644 "$$page" "$(MANDIR)/man$${page##*.}/$${page##*/}" || exit 1; done
	$(call say,INSTALL,$(BASH_COMPLETIONS))
	$(call say,INSTALL,$(FISH_COMPLETIONS))
	$(Q)install -d $(BASH_COMPLETIONS) $(FISH_COMPLETIONS) && \
		{ $(B)/cooper completion bash >$(BASH_COMPLETIONS)/cooper && \
			$(B)/cooper completion fish >$(FISH_COMPLETIONS)/cooper.fish; } || \
		{ rm -f $(BASH_COMPLETIONS)/cooper $(FISH_COMPLETIONS)/cooper.fish; \
			echo 'made for another machine: without completion, which "cooper completion" prints there'; }
	$(Q)test ! -e /etc/apparmor.d/abi/4.0 || { install -d $(APPARMOR) && \
		sed 's,^profile cooper [^ ]*,profile cooper $(PREFIX)/bin/cooper,' contrib/apparmor/cooper >$(APPARMOR)/cooper && \
		{ test -n '$(DESTDIR)' || apparmor_parser -r $(APPARMOR)/cooper || \
			echo 'load it as root with: apparmor_parser -r $(APPARMOR)/cooper'; }; }
# ---- The bundle: cooper with its libraries, for any distribution (contrib/bundle/make) -----------------------------------
$(B)/bundle/launcher: contrib/bundle/launcher.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 $(WARN) -static -s -o $@ $<

$(B)/bundle/cooper.tar.gz: $(B)/cooper $(B)/bundle/launcher contrib/bundle/make
	$(Q)CC='$(CC)' contrib/bundle/make $(B)/cooper $(B)/bundle/launcher $@

.PHONY: bundle
bundle: $(B)/bundle/cooper.tar.gz ## a relocatable archive of cooper and its libraries: build/$(MODE)/bundle/cooper.tar.gz

# ---- Documentation -----------------------------------------------------------------------------------------------------
# The man pages are made of the tables that also parse options (cmd/man.c), and committed, so that an installation from a
# cross build has them.
.PHONY: man
man: $(B)/cooper ## write docs/man from cooper's own tables
	@docs/man/generate $(B)/cooper

.PHONY: lint-man
lint-man: $(B)/cooper
	@docs/man/generate --check $(B)/cooper
lint: lint-man
