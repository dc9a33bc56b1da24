/* Templates as scripts write them, and what Go prints for them. */
#include "base/gotemplate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char sample[] =
	"{\"Name\":\"web\",\"N\":3,\"Pi\":2.5,\"Big\":1073741824.0,\"Yes\":true,\"No\":false,\"Null\":null,\"Empty\":[]"
	","
	"\"L\":[\"a\",\"b\"],\"Nested\":{\"x\":[1,null],\"a\":{\"k\":\"v\"}},"
	"\"Config\":{\"Labels\":{\"org.x/y\":\"1\",\"b\":\"2\"},\"Env\":[\"P=1\",\"Q=2\"]},\"U\":\"h\xc3\xa9\"}";

static int run(const char *text, bool strict, struct buf *into, struct error **err)
{
	cleanup_json json_t *root = NULL;
	assert_int_equal(json_parse(sample, strlen(sample), "sample", &root, NULL), 0);
	return gotemplate_run(text, root, strict, into, err);
}

struct example {
	const char *text;
	const char *expected;
};

static void check_all(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
		cleanup_error struct error *err = NULL;
		if (run(examples[i].text, false, &text, &err) < 0)
			fail_msg("%s\n%s", examples[i].text, error_message(err));
		if (strcmp(buf_str(&text), examples[i].expected) != 0)
			fail_msg("%s\ngives: %s\n  not: %s", examples[i].text, buf_str(&text), examples[i].expected);
	}
}

static void prints_values_as_go_does(void **state)
{
	static const struct example examples[] = {
		{"plain", "plain"},
		{"", ""},
		{"{{.Name}}", "web"},
		{"{{ .Name }}-{{.N}}", "web-3"},
		{"{{.L}} {{.Empty}}", "[a b] []"},
		{"{{.Nested}}", "map[a:map[k:v] x:[1 <nil>]]"},
		{"{{.Config}}", "{map[b:2 org.x/y:1] [P=1 Q=2]}"},
		{"{{printf \"%+v\" .Config}}", "{Labels:map[b:2 org.x/y:1] Env:[P=1 Q=2]}"},
		{"{{.Null}} {{.Missing}}", "<no value> <no value>"},
		{"{{.Yes}} {{.Pi}} {{.Big}}", "true 2.5 1.073741824e+09"},
		{"{{100000.0}} {{1000000.0}} {{0.0001}} {{0.00001}} {{0.1}}", "100000 1e+06 0.0001 1e-05 0.1"},
		{"{{.Nested.a.k}} {{$.Name}}", "v web"},
		{"a\\tb\\n{{.Name}}", "a\tb\nweb"},
		{"{{`r\"aw`}} {{\"q\\t\\u00e9\\x41\\101\"}} {{'a'}} {{0x10}} {{-3}} {{1_000}} {{010}}",
		 "r\"aw q\t\xc3\xa9"
		 "AA 97 16 -3 1000 8"},
		{"{{true}}{{nil | print}}", "true<nil>"},
	};
	check_all(examples, ARRAY_COUNT(examples));
}

static void trims_white_space_and_drops_comments(void **state)
{
	static const struct example examples[] = {
		{"a  {{- .Name -}}  b", "awebb"}, {"a\n{{- /* no */ -}}\nb", "ab"}, {"a{{/* no }} */}}b", "ab"},
		{"{{- .Name}}", "web"},		  {"a {{.N -}}\n\n", "a 3"},	    {"{{/**/}}", ""},
		{"{{\n.Name\n}}", "web"},
	};
	check_all(examples, ARRAY_COUNT(examples));
}

static void calls_functions(void **state)
{
	static const struct example examples[] = {
		{"{{json .Nested}} {{json .Name}} {{json .Missing}}",
		 "{\"a\":{\"k\":\"v\"},\"x\":[1,null]} \"web\" null"},
		{"{{index .Config.Labels \"org.x/y\"}}", "1"},
		{"{{index .Config.Labels \"none\"}}|{{index .Null \"x\"}}|{{index .Nested \"none\"}}", "||<no value>"},
		{"{{index .L 1}} {{index .Nested \"x\" 0}} {{index . \"Config\" \"Env\" 1}}", "b 1 Q=2"},
		{"{{len .L}} {{len .Name}} {{len .Nested}} {{len .Null}}", "2 3 2 0"},
		{"{{join .L \",\"}} {{join .Null \",\"}}.", "a,b ."},
		{"{{split \"a/b//c\" \"/\"}} {{index (split .Name \"e\") 1}} {{len (split \"h\xc3\xa9\" \"\")}}",
		 "[a b  c] b 2"},
		{"{{upper .Name}} {{.Name | upper | lower}} {{title \"the end_of-it\"}}", "WEB web The End_of-It"},
		{"{{slice .Name 1}} {{slice .Name 0 2}} {{slice .L 1 2}}", "eb we [b]"},
		{"{{println .Name .N}}", "web 3\n"},
		{"{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3"},
		{"{{print .N .N}}{{print}}", "3 3"},
	};
	check_all(examples, ARRAY_COUNT(examples));
}

static void formats_with_printf(void **state)
{
	static const struct example examples[] = {
		{"{{printf \"%s %q %d %v %x %t\" .Name .Name .N .L .Name .Yes}}", "web \"web\" 3 [a b] 776562 true"},
		{"{{printf \"%5d|%-5d|%05d|%+d\" 42 42 -42 42}}", "   42|42   |-0042|+42"},
		{"{{printf \"%6s|%-6s|%.2s|%6.1f\" .Name .Name .U .Pi}}", "   web|web   |h\xc3\xa9|   2.5"},
		{"{{printf \"%x %X %o %b %c %q %U %#x\" 255 255 8 5 65 65 65 255}}", "ff FF 10 101 A 'A' U+0041 0xff"},
		{"{{printf \"%d %s\" .Name .N}}", "%!d(string=web) %!s(int=3)"},
		{"{{printf \"%s\"}}{{printf \"x\" 1}}{{printf \"%\"}}", "%!s(MISSING)x%!(EXTRA int=1)%!(NOVERB)"},
		{"{{printf \"%q %x %d\" .L .L .Nested.x}}", "[\"a\" \"b\"] [61 62] [1 %!d(<nil>)]"},
		{"{{printf \"%v %s %T%%\" .Null .Missing .Name}}", "<nil> %!s(<nil>) string%"},
		{"{{.Name | printf \"%s-%s\" \"a\"}}", "a-web"},
		{"{{printf \"%e %g %.3g %f\" .Pi .Pi 1234.5 1.5}}", "2.500000e+00 2.5 1.23e+03 1.500000"},
		{"{{printf \"%q\" \"a\\\"b\\n\\x01\"}}", "\"a\\\"b\\n\\x01\""},
	};
	check_all(examples, ARRAY_COUNT(examples));
}

static void decides_and_compares(void **state)
{
	static const struct example examples[] = {
		{"{{if .Yes}}a{{else}}b{{end}}{{if .No}}a{{else}}b{{end}}", "ab"},
		{"{{if .No}}a{{else if eq .N 3}}b{{else}}c{{end}}", "b"},
		{"{{if .No}}a{{else if .Null}}b{{else}}c{{end}}", "c"},
		{"{{if .Empty}}a{{end}}{{if .L}}b{{end}}{{if \"\"}}c{{end}}{{if 0}}d{{end}}", "b"},
		{"{{with .Nested.a}}{{.k}}{{end}}{{with .Null}}x{{else}}y{{end}}", "vy"},
		{"{{with .No}}x{{else with .Name}}{{.}}{{end}}", "web"},
		{"{{with $x := .Name}}{{$x}}{{.}}{{end}}", "webweb"},
		{"{{eq .Name \"web\"}} {{eq .N 1 2 3}} {{ne .N 3}} {{lt 1 2}} {{gt 1.5 2}} {{le \"a\" \"b\"}} {{ge 2 "
		 "2}}",
		 "true true false true false true true"},
		{"{{eq .Null nil}} {{eq .Name nil}} {{eq .Yes true}}", "true false true"},
		{"{{and .Yes .Name}} {{and .No .Name}} {{or .No .Name}} {{not .No}} {{or .No .Null 0}}",
		 "web false web true 0"},
		{"{{or .Yes (index .L 9)}} {{and .No (index .L 9)}}", "true false"},
		{"{{if and (eq .N 3) (not .No)}}ok{{end}}", "ok"},
	};
	check_all(examples, ARRAY_COUNT(examples));
}

static void loops_and_keeps_variables(void **state)
{
	static const struct example examples[] = {
		{"{{range .L}}<{{.}}>{{end}}", "<a><b>"},
		{"{{range $i, $v := .L}}{{$i}}={{$v}} {{end}}", "0=a 1=b "},
		{"{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "b=2;org.x/y=1;"},
		{"{{range $v := .L}}{{$v}}{{end}}", "ab"},
		{"{{range .Empty}}x{{else}}none{{end}}{{range .Null}}x{{else}}none{{end}}", "nonenone"},
		{"{{range 3}}{{.}}{{end}}", "012"},
		{"{{range .L}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"},
		{"{{range .L}}{{if eq . \"a\"}}{{continue}}{{end}}{{.}}{{end}}", "b"},
		{"{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}{{if true}}{{$x := 3}}{{$x}}{{$x = 4}}{{end}}{{$x}}", "1232"},
		{"{{$n := .Nested}}{{$n.a.k}} {{(index .Nested \"a\").k}}", "v v"},
		{"{{range $e := .Config.Env}}{{println $e}}{{end}}", "P=1\nQ=2\n"},
		{"{{range .L}}{{$.Name}}{{end}}", "webweb"},
		{"{{$last := \"\"}}{{range .L}}{{$last = .}}{{end}}{{$last}}", "b"},
	};
	check_all(examples, ARRAY_COUNT(examples));
}

static void says_what_is_wrong_and_where(void **state)
{
	static const struct example examples[] = {
		{"{{.Name", "template: 1:8: an action is not closed"},
		{"a\n{{nope .}}", "template: 2:3: function \"nope\" not defined"},
		{"{{.Name.X}}", "template: 1:3: can't evaluate field X in type string"},
		{"{{.Null.X}}", "template: 1:3: nil pointer evaluating field X"},
		{"{{if .Yes}}", "template: 1:3: no {{end}} for this"},
		{"{{end}}", "template: 1:6: unexpected {{end}}"},
		{"{{else}}", "template: 1:7: unexpected {{else}}"},
		{"{{if}}x{{end}}", "template: 1:5: missing value for the command"},
		{"{{$x}}", "template: 1:3: undefined variable \"$x\""},
		{"{{index .L 2}}", "template: 1:3: error calling index: index out of range: 2"},
		{"{{len 3}}", "template: 1:3: error calling len: len of type int"},
		{"{{len}}", "template: 1:3: error calling len: wrong number of args: want 1 got 0"},
		{"{{.Name .N}}", "template: 1:3: can't give arguments to what is no function"},
		{"{{.Name | .N}}", "template: 1:11: non executable command in pipeline stage 2"},
		{"{{range .Name}}{{end}}", "template: 1:9: range can't iterate over a string"},
		{"{{eq .L .L}}", "template: 1:3: error calling eq: non-comparable type []interface {}"},
		{"{{eq .N .Name}}", "template: 1:3: error calling eq: incompatible types for comparison"},
		{"{{\"a}}", "template: 1:7: a quote is not closed"},
		{"{{/* a}}", "template: 1:3: a comment is not closed"},
		{"{{break}}", "template: 1:3: {{break}} outside {{range}}"},
		{"{{(.N}}", "template: 1:6: a '(' is not closed"},
		{"{{\"a\"\"b\"}}", "template: 1:6: a space is missing between two operands"},
		{"{{1x}}", "template: 1:3: a bad number"},
		{"{{99999999999999999999}}", "template: 1:3: a bad number"},
		{"{{.a-b}}", "template: 1:5: a space is missing between two operands"},
		{"{{range $a, $b, $c := .L}}{{end}}", NULL},
	};
	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
		cleanup_error struct error *err = NULL;
		if (run(examples[i].text, false, &text, &err) != -EINVAL)
			fail_msg("should be refused: %s gives %s", examples[i].text, buf_str(&text));
		if (examples[i].expected && strcmp(error_message(err), examples[i].expected) != 0)
			fail_msg("%s\ngives: %s\n  not: %s", examples[i].text, error_message(err),
				 examples[i].expected);
	}
}

static void strict_fields_refuse_a_missing_key(void **state)
{
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	cleanup_error struct error *err = NULL;
	assert_int_equal(run("{{.Missing}}", true, &text, &err), -EINVAL);
	assert_string_equal(error_message(err), "template: 1:3: can't evaluate field Missing");
	assert_int_equal(run("{{.Null}}", true, &text, NULL), 0);
}

static void json_prints_the_names_of_json(void **state)
{
	const char *go =
		"{\"ID\":\"x\",\"RootFS\":{\"DiffIDs\":[\"a\",\"b\"],\"Type\":\"t\"},\"Labels\":{\"ID\":\"1\"}}";
	const char *json =
		"{\"id\":\"x\",\"rootfs\":{\"diff_ids\":[\"a\",\"b\"],\"type\":\"t\"},\"Labels\":{\"ID\":\"1\"}}";
	cleanup_json json_t *value = NULL;
	cleanup_json json_t *names = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	assert_int_equal(json_parse(go, strlen(go), "go", &value, NULL), 0);
	assert_int_equal(json_parse(json, strlen(json), "json", &names, NULL), 0);
	assert_int_equal(
		gotemplate_run_struct("{{json .RootFS}} {{json .Labels}} {{json .RootFS.DiffIDs}} {{json .ID}} "
				      "{{json (len .ID)}} {{json .}}",
				      value, names, &text, NULL),
		0);
	assert_string_equal(
		buf_str(&text),
		"{\"diff_ids\":[\"a\",\"b\"],\"type\":\"t\"} {\"ID\":\"1\"} [\"a\",\"b\"] \"x\" 1 "
		"{\"Labels\":{\"ID\":\"1\"},\"id\":\"x\",\"rootfs\":{\"diff_ids\":[\"a\",\"b\"],\"type\":\"t\"}}");
}

static void hostile_templates_are_bounded(void **state)
{
	cleanup(buf_done) struct buf small = BUF_INIT(100);
	assert_int_equal(run("{{range 1000}}xxxxxxxxxx{{end}}", false, &small, NULL), -EFBIG);
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	assert_int_equal(run("{{range 999999999999}}{{range 99999999}}{{end}}{{end}}", false, &text, NULL), -EINVAL);
	assert_int_equal(
		run("{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 60}}{{$x = print $x $x}}{{end}}", false, &text, NULL),
		-EINVAL);
	cleanup(buf_done) struct buf deep = BUF_INIT(1 << 20);
	for (size_t i = 0; i < 10000; i++)
		buf_append_str(&deep, "{{if (");
	assert_int_equal(run(buf_str(&deep), false, &text, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_values_as_go_does),
		cmocka_unit_test(trims_white_space_and_drops_comments),
		cmocka_unit_test(calls_functions),
		cmocka_unit_test(formats_with_printf),
		cmocka_unit_test(decides_and_compares),
		cmocka_unit_test(loops_and_keeps_variables),
		cmocka_unit_test(says_what_is_wrong_and_where),
		cmocka_unit_test(strict_fields_refuse_a_missing_key),
		cmocka_unit_test(json_prints_the_names_of_json),
		cmocka_unit_test(hostile_templates_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
