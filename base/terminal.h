/*
 * Text from outside (names, labels, answers of servers) on somebody's terminal.
 */
#ifndef COOPER_BASE_TERMINAL_H
#define COOPER_BASE_TERMINAL_H

#include <stddef.h>

/* Replaces what a terminal would obey, control characters of ASCII and of ISO 6429 in UTF-8, by '?'; newline and tab
 * stay. */
void terminal_disarm(char *text, size_t len);

#endif
