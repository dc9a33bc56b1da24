/* What was found of a list of layers is found at once by the next one, and by nobody for whom it does not hold. */
#include "imagefmt/layer_stack.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <sys/wait.h>

#define COUNT 12

/* Layers of these names, as far as somebody looks here. */
static void make_stack(struct tempstore *t, struct digest diff_ids[COUNT])
{
	int layers = store_folder(t->store, STORE_LAYERS, NULL);

	for (size_t i = 0; i < COUNT; i++) {
		char hex[DIGEST_HEX_SIZE];
		cleanup_free char *text = mem_printf("layer %zu", i);
		assert_int_equal(digest_of(text, strlen(text), &diff_ids[i], NULL), 0);
		digest_hex(&diff_ids[i], hex);
		assert_int_equal(mkdirat(layers, hex, 0700), 0);
		store_know_layer(t->store, hex, hex);
	}
}

static const char *known(struct tempstore *t, const struct digest *diff_id)
{
	char hex[DIGEST_HEX_SIZE];

	return store_known_layer(t->store, digest_hex(diff_id, hex));
}

static void what_was_found_is_known_to_the_next_process(void **state)
{
	struct tempstore *t = *state;
	struct digest stack[COUNT];
	char hex[DIGEST_HEX_SIZE];
	make_stack(t, stack);
	layer_stack_remember(t->store, stack, COUNT);
	tempstore_reopen(t);
	assert_null(known(t, &stack[3]));
	assert_true(layer_stack_is_there(t->store, stack, COUNT));
	for (size_t i = 0; i < COUNT; i++)
		assert_string_equal(known(t, &stack[i]), digest_hex(&stack[i], hex));
	/* Another list is another thing. */
	assert_false(layer_stack_recall(t->store, stack, COUNT - 1));
	assert_false(layer_stack_recall(t->store, stack + 1, COUNT - 1));
}

static void a_tree_that_is_gone_is_noticed(void **state)
{
	struct tempstore *t = *state;
	struct digest stack[COUNT];
	char hex[DIGEST_HEX_SIZE];
	make_stack(t, stack);
	layer_stack_remember(t->store, stack, COUNT);
	assert_int_equal(unlinkat(store_folder(t->store, STORE_LAYERS, NULL), digest_hex(&stack[7], hex), AT_REMOVEDIR),
			 0);
	tempstore_reopen(t);
	assert_true(layer_stack_recall(t->store, stack, COUNT));
	assert_false(layer_stack_is_there(t->store, stack, COUNT));
}

static void it_holds_for_one_id_map_and_one_place(void **state)
{
	struct tempstore *t = *state;
	struct digest stack[COUNT];
	make_stack(t, stack);
	layer_stack_remember(t->store, stack, COUNT);
	layer_stack_note(t->store, stack, COUNT, "plain");
	store_set_id_map(t->store, "0 100000 65536", /* single_id */ false);
	assert_false(layer_stack_recall(t->store, stack, COUNT));
	assert_false(layer_stack_is_noted(t->store, stack, COUNT, "plain"));
	/* A store that was copied has another directory of layers. */
	store_set_id_map(t->store, "", /* single_id */ false);
	assert_true(layer_stack_is_noted(t->store, stack, COUNT, "plain"));
	cleanup_free char *layers = tempstore_path(t, "store/layers");
	cleanup_free char *moved = tempstore_path(t, "store/moved");
	assert_int_equal(rename(layers, moved), 0);
	assert_int_equal(mkdir(layers, 0700), 0);
	tempstore_reopen(t);
	assert_false(layer_stack_recall(t->store, stack, COUNT));
	assert_false(layer_stack_is_noted(t->store, stack, COUNT, "plain"));
}

static void what_is_damaged_or_not_known_is_nothing(void **state)
{
	struct tempstore *t = *state;
	struct digest stack[COUNT];
	char hex[DIGEST_HEX_SIZE];
	make_stack(t, stack);
	layer_stack_remember(t->store, stack, COUNT);
	cleanup_free char *folder = tempstore_path(t, "store/cache/stacks");
	cleanup_free char *cut = mem_printf("cd %s && for f in *; do head -c 300 $f >../x && mv ../x $f; done", folder);
	const char *const argv[] = {"sh", "-c", cut, NULL};
	pid_t child = fork();
	if (child == 0) {
		execvp("sh", (char *const *)argv);
		_exit(127);
	}
	int status = 1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	tempstore_reopen(t);
	assert_false(layer_stack_recall(t->store, stack, COUNT));
	/* Whoever knows only some of them writes nothing down. */
	assert_int_equal(layer_stacks_clear(t->store, NULL), 0);
	tempstore_reopen(t);
	store_know_layer(t->store, digest_hex(&stack[0], hex), hex);
	layer_stack_remember(t->store, stack, COUNT);
	assert_int_equal(access(folder, F_OK), -1);
}

#define MANY 70

struct asked {
	size_t count;
	size_t refused; /* the layer of which it is not so */
};

static bool ask(struct store *store, const struct digest *diff_id, size_t at, const void *context)
{
	struct asked *const *asked = context;

	(*asked)->count++;
	return at != (*asked)->refused;
}

static void of_many_only_what_is_new_is_asked(void **state)
{
	struct tempstore *t = *state;
	struct digest stack[MANY];
	struct asked asked = {.refused = MANY}, *context = &asked;

	for (size_t i = 0; i < MANY; i++) {
		cleanup_free char *text = mem_printf("layer %zu", i);
		assert_int_equal(digest_of(text, strlen(text), &stack[i], NULL), 0);
	}
	assert_true(layer_stack_is_all(t->store, stack, MANY - 1, "round", ask, &context));
	assert_int_equal(asked.count, MANY - 1);
	assert_true(layer_stack_is_all(t->store, stack, MANY, "round", ask, &context));
	assert_int_equal(asked.count, MANY);
	assert_true(layer_stack_is_all(t->store, stack, MANY, "round", ask, &context));
	assert_int_equal(asked.count, MANY);
	/* Another question, and another list: one that is not so is not written down. */
	asked.refused = MANY - 1;
	assert_true(layer_stack_is_all(t->store, stack, MANY - 1, "red", ask, &context));
	assert_false(layer_stack_is_all(t->store, stack, MANY, "red", ask, &context));
	assert_false(layer_stack_is_all(t->store, stack, MANY, "red", ask, &context));
	assert_int_equal(asked.count, MANY + MANY - 1 + 2);
	/* Few are asked each time. */
	asked.count = 0;
	assert_true(layer_stack_is_all(t->store, stack, 10, "round", ask, &context));
	assert_true(layer_stack_is_all(t->store, stack, 10, "round", ask, &context));
	assert_int_equal(asked.count, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(of_many_only_what_is_new_is_asked),
		test_with_store(what_was_found_is_known_to_the_next_process),
		test_with_store(a_tree_that_is_gone_is_noticed),
		test_with_store(it_holds_for_one_id_map_and_one_place),
		test_with_store(what_is_damaged_or_not_known_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
