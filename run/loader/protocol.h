/*
 * What the supervisor of a translated root and its loader have agreed on. Included by both, so it knows nothing of
 * either.
 *
 * The loader is what the kernel executes in place of every program of such a step (run/translate_exec.c). It asks, by a
 * call that nobody else makes, openat(LOADER_ASK, &orders, sizeof(orders), address of its scratch area), what it is to
 * start. The answer is 0, two descriptors that have been put into its table, and `orders`.
 *
 * Its pages stay mapped in every process: the scratch area is where the supervisor writes what a call that the kernel
 * carries out is to read (a path, an address of a socket). Each thread has a slot.
 */
#ifndef COOPER_RUN_LOADER_PROTOCOL_H
#define COOPER_RUN_LOADER_PROTOCOL_H

#define LOADER_DESCRIPTOR 1000 /* the loader's own file, in every process of the step */
#define LOADER_ASK (-4242)
#define LOADER_COMM 16
#define LOADER_TEXT 12288
#define LOADER_SLOTS 64
#define LOADER_SLOT_SIZE 4352 /* a path and a little */

struct loader_orders {
	int program, interpreter; /* descriptors; interpreter -1: it has none */
	unsigned prefix_count; /* arguments that go before argv[1] in place of argv[0]: of a "#!" line, then the script
				*/
	unsigned text_size;
	char comm[LOADER_COMM];
	char text[LOADER_TEXT]; /* execfn, then the arguments, each ended by a NUL */
};

#endif
