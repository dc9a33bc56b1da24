/*
 * Blobs that a scratch store borrows: descriptors of files elsewhere.
 */
#include "imagefmt/store_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

void store_allow_loans(struct store *scratch)
{
	assert(scratch->scratch);
	scratch->allows_loans = true;
}

bool store_allows_loans(const struct store *store)
{
	return store->allows_loans;
}

void store_lend(struct store *scratch, const char *key, int fd, uint64_t size)
{
	scratch->loans = mem_grow(scratch->loans, scratch->loan_count + 1, sizeof(*scratch->loans));
	scratch->loans[scratch->loan_count++] = (struct loan){.key = mem_strdup(key), .fd = fd, .size = size};
}

int store_lent(const struct store *store, const char *key, uint64_t *size)
{
	for (size_t i = 0; i < store->loan_count; i++) {
		if (strcmp(store->loans[i].key, key) != 0)
			continue;
		if (size)
			*size = store->loans[i].size;
		return store->loans[i].fd;
	}
	return -1;
}

bool store_give_back(struct store *scratch, const char *key)
{
	for (size_t i = 0; i < scratch->loan_count; i++) {
		struct loan *loan = &scratch->loans[i];
		if (strcmp(loan->key, key) != 0)
			continue;
		fd_close(loan->fd);
		free(loan->key);
		*loan = scratch->loans[--scratch->loan_count];
		return true;
	}
	return false;
}

void store_end_loans(struct store *store)
{
	while (store->loan_count > 0)
		store_give_back(store, store->loans[0].key);
	free(take_ptr(&store->loans));
}
