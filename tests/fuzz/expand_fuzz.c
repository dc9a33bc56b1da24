/* Any text as a word: no crash, in any of the forms; keeping to the limit; a word without anything special stays. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dockerfile/expand.h"
#include "dockerfile/heredoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expand_all(const char *word, char escape)
{
	cleanup(strlist_done) struct strlist env = {0};
	cleanup(strlist_done) struct strlist unset = {0};
	cleanup(strlist_done) struct strlist names = {0};
	cleanup(strlist_done) struct strlist words = {0};
	cleanup_free char *text = NULL;
	cleanup_free char *content = NULL;

	strlist_append(&env, "a=x/y.tar.gz");
	strlist_append(&env, "b=");
	strlist_append(&env, "c=*a?");
	const struct expand_scope scope = {.lists = {&env}, .count = 1, .escape = escape};
	if (expand_word(word, &scope, &unset, &text, NULL) == 0) {
		assert(strlen(text) <= EXPAND_SIZE_MAX);
		if (!strpbrk(word, "$\\`'\""))
			assert(strcmp(text, word) == 0);
		for (size_t i = 0; i < unset.count; i++)
			assert(!strlist_env_get(&env, unset.items[i]));
	}
	if (expand_words(word, &scope, NULL, &words, NULL) == 0)
		for (size_t i = 0; i < words.count; i++)
			assert(*words.items[i]);
	expand_heredoc(word, &scope, NULL, &content, NULL);
	if (expand_names(word, escape, &names, NULL) == 0)
		for (size_t i = 0; i < unset.count; i++)
			assert(strlist_contains(&names, unset.items[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *word = mem_strndup((const char *)data, size);
	cleanup(heredocs_done) struct heredocs heredocs = {0};

	expand_all(word, '\\');
	expand_all(word, '`');
	/* Names with open quotes are refused; what was found before is ours. */
	if (heredocs_find(word, &heredocs, NULL) == 0)
		for (size_t i = 0; i < heredocs.count; i++)
			assert(*heredocs.items[i].name);
	return 0;
}
