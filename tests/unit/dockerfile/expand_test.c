/* Words and variables: the forms of BuildKit's shell/lex.go, one line for each. */
#include "dockerfile/expand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"

#define FAILS NULL

struct example {
	const char *word;
	const char *result; /* FAILS */
};

static void check(const struct example *examples, size_t count, const struct strlist *env, char escape)
{
	const struct expand_scope scope = {.lists = {env}, .count = 1, .escape = escape};

	for (size_t i = 0; i < count; i++) {
		cleanup_free char *text = NULL;
		cleanup_error struct error *err = NULL;
		int rc = expand_word(examples[i].word, &scope, NULL, &text, &err);
		if (!examples[i].result) {
			if (rc == 0)
				fail_msg("'%s' should fail and gave '%s'", examples[i].word, text);
			continue;
		}
		if (rc < 0)
			fail_msg("'%s' failed: %s", examples[i].word, error_message(err));
		if (strcmp(text, examples[i].result) != 0)
			fail_msg("'%s' gave '%s', not '%s'", examples[i].word, text, examples[i].result);
	}
}

static void env_of(struct strlist *env, const char *const *entries)
{
	for (; *entries; entries++)
		strlist_append(env, *entries);
}

static void quotes_and_escapes(void **state)
{
	static const struct example examples[] = {
		{"hello", "hello"},
		{"he'll'o", "hello"},
		{"he'llo", FAILS},
		{"he\\'llo", "he'llo"},
		{"he\\\\'llo", FAILS},
		{"abc\\tdef", "abctdef"},
		{"'abc\\tdef'", "abc\\tdef"},
		{"\"abc\\tdef\"", "abc\\tdef"},
		{"he\\\\llo", "he\\llo"},
		{"'he\\\\llo'", "he\\\\llo"},
		{"\"he\\\\llo\"", "he\\llo"},
		{"\"hello", FAILS},
		{"\"hel\\\"lo\"", "hel\"lo"},
		{"\"hel'lo\"", "hel'lo"},
		{"'hello\\there'", "hello\\there"},
		{"'hello\\\\there'", "hello\\\\there"},
		{"\"''\"", "''"},
		{"$.", "$."},
		{"he$1x", "hex"},
		{"he$.x", "he$.x"},
		{"he$pwd.", "he."},
		{"he$PWD", "he/home"},
		{"he\\$PWD", "he$PWD"},
		{"he\\\\$PWD", "he\\/home"},
		{"\"he\\$PWD\"", "he$PWD"},
		{"\"he\\\\$PWD\"", "he\\/home"},
		{"'he\\$PWD'", "he\\$PWD"},
		{"'he$PWD'", "he$PWD"},
		{"a b  c", "a b  c"},
		{"end\\", "end"},
		{"\"end\\", FAILS},
		{"", ""},
		{"\\", ""},
		{"''", ""},
		{"안녕하세요", "안녕하세요"},
		{"안'녕'하세요", "안녕하세요"},
		{"안'녕하세요", FAILS},
		{"안녕\\'하세요", "안녕'하세요"},
		{"\"안녕\\t하세요\"", "안녕\\t하세요"},
		{"안녕$PWD", "안녕/home"},
		{"$PWD→x", "/home→x"},
		{"<<EOF", "<<EOF"},
		{"a < b", "a < b"},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"PWD=/home", "SHELL=bash", "KOREAN=한국어", "NULL=", NULL});
	check(examples, ARRAY_COUNT(examples), &env, '\\');
}

static void names_and_specials(void **state)
{
	static const struct example examples[] = {
		{"$", "$"},
		{"$}", "$}"},
		{"he${}xx", FAILS},
		{"he${PWD}xx", "he/homexx"},
		{"he${hi", FAILS},
		{"he${hi}", "he"},
		{"he${hi}xx", "hexx"},
		{"$PWD", "/home"},
		{"$PWD/a", "/home/a"},
		{"${PWD}_x", "/home_x"},
		{"$PWD_x", ""},
		{"$999aaa", "aaa"},
		{"$1aaa", "aaa"},
		{"$10a", "a"},
		{"$@", ""},
		{"$*x", "x"},
		{"$#x", "x"},
		{"$?x", "x"},
		{"$-x", "x"},
		{"$$x", "x"},
		{"$!x", "x"},
		{"$0x", "x"},
		{"${@}", ""},
		{"${#}", ""},
		{"${?}x", "x"},
		{"${999}aa", "aa"},
		{"$%", "$%"},
		{"$a$b", ""},
		{"${:x}", FAILS},
		{"${:}", FAILS},
		{"${{xx}", FAILS},
		{"${", FAILS},
		{"${xx", FAILS},
		{"${xx:}", FAILS},
		{"${SHELL=x}", FAILS},
		{"${SHELL:=x}", FAILS},
		{"${SHELL:x}", FAILS},
		{"${SHELL^^}", FAILS},
		{"${SHELL:#x}", FAILS},
		{"$KOREAN", "한국어"},
		{"${KOREAN}", "한국어"},
		{"'$KOREAN'", "$KOREAN"},
		{"\"$KOREAN\"", "한국어"},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"PWD=/home", "SHELL=bash", "KOREAN=한국어", "NULL=", NULL});
	check(examples, ARRAY_COUNT(examples), &env, '\\');
}

static void defaults_and_alternatives(void **state)
{
	static const struct example examples[] = {
		{"${FOO-aaa} ${BAR-bbb} ${BAZ-ccc}", "xxx  ccc"},
		{"${FOO:-aaa} ${BAR:-bbb} ${BAZ:-ccc}", "xxx bbb ccc"},
		{"${FOO:-}", "xxx"},
		{"${BAZ:-}", ""},
		{"${FOO+aaa} ${BAR+bbb} ${BAZ+ccc}", "aaa bbb "},
		{"${FOO:+aaa} ${BAR:+bbb} ${BAZ:+ccc}", "aaa  "},
		{"${FOO?aaa}", "xxx"},
		{"${BAR?bbb}", ""},
		{"${BAZ?ccc}", FAILS},
		{"${FOO:?aaa}", "xxx"},
		{"${BAR:?bbb}", FAILS},
		{"${BAZ:?ccc}", FAILS},
		{"${BAZ:?}", FAILS},
		{"${FOO=aaa}", FAILS},
		{"${FOO=}", FAILS},
		{"${BAZ:-$FOO}", "xxx"},
		{"${BAZ:-${FOO}}", "xxx"},
		{"${BAZ:-${BAR:-${FOO:+deep}}}", "deep"},
		{"${BAZ:-\"a b\"}", "a b"},
		{"${BAZ:-'}'}", "}"},
		{"${BAZ:-\\}}", "}"},
		{"${BAZ:-\\$x}", "$x"},
		{"${BAZ:-a", FAILS},
		{"${BAZ:-'a}", FAILS},
		{"he${BAZ:-/home}xx", "he/homexx"},
		{"he\\${xx:-/home}xx", "he${xx:-/home}xx"},
		{"something-${V:-v1}.${FOO}-${BAR:+x}", "something-v1.xxx-"},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"FOO=xxx", "BAR=", NULL});
	check(examples, ARRAY_COUNT(examples), &env, '\\');
}

static void says_what_a_mandatory_variable_lacks(void **state)
{
	const struct expand_scope scope = {0};
	cleanup_free char *text = NULL;
	cleanup_error struct error *err = NULL;

	assert_int_equal(expand_word("${VAR:?message here}", &scope, NULL, &text, &err), -22);
	assert_non_null(strstr(error_message(err), "VAR: message here"));
	error_clear(&err);
	assert_int_equal(expand_word("${VAR?}", &scope, NULL, &text, &err), -22);
	assert_non_null(strstr(error_message(err), "VAR: is not allowed to be unset"));
}

static void patterns_cut_off_ends(void **state)
{
	static const struct example examples[] = {
		{"${X#*x*y}", "y"},
		{"${X#*}", "xxyy"},
		{"${X##*}", ""},
		{"${X#$B}", "xyy"},
		{"${X#$E}", "xxyy"},
		{"${X#}", "xxyy"},
		{"${X##*x}", "yy"},
		{"${X##}", "xxyy"},
		{"${Q#?\\?}", "?y"},
		{"${X%x}", "xxyy"},
		{"${S%%\\**\\*}", "a"},
		{"${X%}", "xxyy"},
		{"${X%%$E}", "xxyy"},
		{"${X%y}", "xxy"},
		{"${X%y*}", "xxy"},
		{"${X%%y*}", "xx"},
		{"${X%?}", "xxy"},
		{"${P#*/}", "b/c.txt"},
		{"${P##*/}", "c.txt"},
		{"${P%/*}", "a/b"},
		{"${P%%/*}", "a"},
		{"${P%.*}", "a/b/c"},
		{"${P#a?b}", "/c.txt"},
		{"${X#\\x}", FAILS},
		{"${X#\\}}", "xxyy"},
		{"${X%\\q}", FAILS},
		{"${T%%\\**}", "xx"},
		{"${NO#a}", ""},
		{"${R#()[]{\\}^$.\\*\\?|\\\\}", "x"},
		{"${K#한}", "국어"},
		{"${K%?}", "한국"},
		{"${X#\"x\"}", "xyy"},
		{"${X#'*'}", "xxyy"},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"X=xxyy", "B=x", "E=", "Q=???y", "S=a***yy*", "P=a/b/c.txt", "T=xx**",
					   "R=()[]{}^$.*?|\\x", "K=한국어", NULL});
	check(examples, ARRAY_COUNT(examples), &env, '\\');
}

static void patterns_replace(void **state)
{
	static const struct example examples[] = {
		{"${FOO/$NEEDLE/.} - ${FOO//$NEEDLE/.}", "/foo.*/*.txt - /foo..*.txt"},
		{"${TMP/$T/} - ${TMP//$T/}", "/tmp/bar.txt - /bar.txt"},
		{"${A/$Q/$S} - ${A//$Q/$S}", "/foo/b/c.txt - /foo/c.txt"},
		{"${URL/$H/$HS}", "https://google.de"},
		{"${X/$E/ww}", "wwxxyy"},
		{"${X//$E/w}", "wxwxwywyw"},
		{"${X//x/}", "yy"},
		{"${X/x/}", "xyy"},
		{"${X/x*y/-}", "-"},
		{"${X//?/ab}", "abababab"},
		{"${X/z/-}", "xxyy"},
		{"${X//ww}", FAILS},
		{"${X//}", FAILS},
		{"${X/a}", FAILS},
		{"${X/a/b", FAILS},
		{"${X///}", "xxyy"},
		{"${NO///}", ""},
		{"${T//\\//\\/}", "\\/tmp"},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"FOO=/foo*/*/*.txt", "NEEDLE=\\*/", "TMP=/tmp/tmp/bar.txt", "T=/tmp",
					   "A=/a/foo/b/c.txt", "Q=/?/", "S=/", "URL=http://google.de", "H=http://",
					   "HS=https://", "X=xxyy", "E=", NULL});
	check(examples, ARRAY_COUNT(examples), &env, '\\');
}

static void a_backtick_escapes_when_the_directive_says_so(void **state)
{
	static const struct example examples[] = {
		{"C:\\temp\\$X", "C:\\temp\\x"},
		{"`$X", "$X"},
		{"\"`$X\"", "$X"},
		{"\"a`b\"", "a`b"},
		{"a``b", "a`b"},
		{"a\\b", "a\\b"},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"X=x", NULL});
	check(examples, ARRAY_COUNT(examples), &env, '`');
}

static void check_words(const struct strlist *env, const char *text, const char *expected)
{
	const struct expand_scope scope = {.lists = {env}, .count = 1};
	cleanup(strlist_done) struct strlist words = {0};
	cleanup_free char *joined = NULL;

	int rc = expand_words(text, &scope, NULL, &words, NULL);
	if (!expected) {
		assert_int_equal(rc, -22);
		return;
	}
	assert_int_equal(rc, 0);
	joined = strlist_join(&words, ",");
	assert_string_equal(joined, expected);
}

static void words_are_split_after_expansion(void **state)
{
	static const struct example examples[] = {
		{"hello", "hello"},
		{"hello world", "hello,world"},
		{" hello  world ", "hello,world"},
		{"hello$world", "hello"},
		{"hel\"lo wo\"rld", "hello world"},
		{"hello\\ world", "hello world"},
		{"$a", "x,y"},
		{"\"$a\"", "x y"},
		{"$a$b", "x,yz"},
		{"\"\"", ""},
		{"'a b' c", "a b,c"},
		{"${c:-p q}", "p,q"},
		{"'open", FAILS},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"a=x y", "b=z", NULL});
	for (size_t i = 0; i < ARRAY_COUNT(examples); i++)
		check_words(&env, examples[i].word, examples[i].result);
}

static void heredocs_keep_quotes_and_lose_backslashes(void **state)
{
	static const struct example examples[] = {
		{"a \"$X\" 'y'\n", "a \"x\" 'y'\n"},
		{"\\$X", "$X"},
		{"a\\\\b", "a\\b"},
		{"a\\\nb", "a\nb"},
		{"a\\b", "ab"},
		{"`$X", "`x"},
	};
	cleanup(strlist_done) struct strlist env = {0};

	env_of(&env, (const char *const[]){"X=x", NULL});
	const struct expand_scope scope = {.lists = {&env}, .count = 1, .escape = '`'};
	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup_free char *text = NULL;
		assert_int_equal(expand_heredoc(examples[i].word, &scope, NULL, &text, NULL), 0);
		assert_string_equal(text, examples[i].result);
	}
}

static void the_first_list_that_knows_a_name_decides(void **state)
{
	cleanup(strlist_done) struct strlist first = {0};
	cleanup(strlist_done) struct strlist second = {0};
	cleanup_free char *text = NULL;

	env_of(&first, (const char *const[]){"A=1", NULL});
	env_of(&second, (const char *const[]){"A=2", "B=", NULL});
	const struct expand_scope scope = {.lists = {&first, &second}, .count = 2};
	assert_int_equal(expand_word("$A${B-unset}", &scope, NULL, &text, NULL), 0);
	assert_string_equal(text, "1");
}

static void tells_which_names_are_unset(void **state)
{
	const struct expand_scope scope = {0};
	cleanup(strlist_done) struct strlist unset = {0};
	cleanup(strlist_done) struct strlist names = {0};
	cleanup_free char *text = NULL;
	cleanup_free char *joined = NULL;

	assert_int_equal(expand_word("$a ${b} $a ${c:-x} ${d+y} ${e#z}", &scope, &unset, &text, NULL), 0);
	joined = strlist_join(&unset, ",");
	assert_string_equal(joined, "a,b,e");
	assert_int_equal(expand_names("$a ${b:?no} ${c:-$d}", '\\', &names, NULL), 0);
	assert_int_equal(names.count, 4);
	assert_true(strlist_contains(&names, "b") && strlist_contains(&names, "d"));
}

static void hostile_words_end(void **state)
{
	cleanup(buf_done) struct buf word = BUF_INIT(1 << 20);
	cleanup(strlist_done) struct strlist env = {0};
	cleanup_free char *text = NULL;
	const struct expand_scope scope = {.lists = {&env}, .count = 1};

	for (int i = 0; i < 10000; i++)
		buf_append_str(&word, "${a:-");
	assert_int_equal(expand_word(buf_str(&word), &scope, NULL, &text, NULL), -22);
	buf_clear(&word);
	buf_append_str(&word, "x=");
	for (int i = 0; i < 100000; i++)
		buf_append_char(&word, 'a');
	strlist_append(&env, buf_str(&word));
	assert_int_equal(expand_word("${x//*a*a*a*a*b/}", &scope, NULL, &text, NULL), -7);
	buf_clear(&word);
	for (int i = 0; i < 100; i++)
		buf_append_str(&word, "$x");
	assert_int_equal(expand_word(buf_str(&word), &scope, NULL, &text, NULL), -7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_and_escapes),
		cmocka_unit_test(names_and_specials),
		cmocka_unit_test(defaults_and_alternatives),
		cmocka_unit_test(says_what_a_mandatory_variable_lacks),
		cmocka_unit_test(patterns_cut_off_ends),
		cmocka_unit_test(patterns_replace),
		cmocka_unit_test(a_backtick_escapes_when_the_directive_says_so),
		cmocka_unit_test(words_are_split_after_expansion),
		cmocka_unit_test(heredocs_keep_quotes_and_lose_backslashes),
		cmocka_unit_test(the_first_list_that_knows_a_name_decides),
		cmocka_unit_test(tells_which_names_are_unset),
		cmocka_unit_test(hostile_words_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
