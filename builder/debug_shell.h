/*
 * A RUN that failed, for somebody to look at: a shell in it at once (`build --debug`), with all that the step had; or
 * later, by `cooper run` in the container that is kept. Then the mounts are written down in the container's settings:
 * what they read from is a directory or layers, and what is only for the moment (files that an ignore file lets
 * through, contexts that were unpacked, scripts) moves into the container. Of secrets and agents only the mounts are
 * written down, of proxies nothing.
 */
#ifndef COOPER_BUILDER_DEBUG_SHELL_H
#define COOPER_BUILDER_DEBUG_SHELL_H

#include "builder/build_exec_internal.h"

/* The shell, on our terminal. Without a terminal, or when it cannot be started, a warning. */
void debug_shell_open(const struct run_job *job, const struct stage_run *run);
/* Writes down what the step had into run->c.settings; container_save() is the caller's. What cannot be kept is told in
 * a warning. True when the step had secrets or agents, which are to be given again. */
bool debug_shell_keep(struct run_job *job, struct stage_run *run);

#endif
