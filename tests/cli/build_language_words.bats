# The Dockerfile language: lines, comments, continuations, directives, flags and JSON forms.
load lib/common
load lib/build
load lib/language

@test "a byte order mark before the first line is dropped" {
	printf '\xef\xbb\xbf# escape=`\nFROM busybox\nENV A=x\\y\n' | dockerfile
	build
	has_config '"A=x\\y" in c["Env"]'
}

@test "lines may end in CR LF, also those that go on" {
	printf 'FROM busybox\r\nENV A=1 \\\r\n  B=2\r\nRUN echo "$A$B" >/out; \\\r\n\techo end >>/out\r\n' | dockerfile
	build
	run inside 'od -c /out'
	assert_output_lacks '\r'
	run inside 'cat /out'
	assert_output_is $'12\nend'
}

@test "CR LF in here-documents: the terminator is found, the body is as written" {
	printf 'FROM busybox\r\nCOPY <<EOF /f\r\none\r\nEOF\r\nENV A=1\r\n' | dockerfile
	build
	has_config '"A=1" in c["Env"]'
}

@test "blank lines and leading blanks mean nothing, case neither" {
	printf '\n  \n  # note\n\tfrom busybox\n\n   env A=1\n\n\teNv B=2\n' | dockerfile
	build
	has_config '"A=1" in c["Env"] and "B=2" in c["Env"]'
}

@test "nothing to build from" {
	: | dockerfile
	refuses "the Dockerfile cannot be empty"
	printf '# only\n\n# comments\n' | dockerfile
	refuses "file with no instructions"
	printf 'ARG A=1\n' | dockerfile
	refuses "no build stage"
	printf 'RUN true\nFROM busybox\n' | dockerfile
	refuses "no build stage in current context"
}

@test "# is a comment only at the start of a line" {
	dockerfile <<-'EOF'
		FROM busybox
		# ENV A=comment
		ENV A=a#b B="# c"
		RUN echo one # for the shell
		LABEL x=1 \
		  # a comment that goes nowhere \
		      # another
		  y=2
	EOF
	build
	has_config '"A=a#b" in c["Env"] and "B=# c" in c["Env"]'
	has_config 'c["Labels"] == {"x": "1", "y": "2"}'
	has_config '"RUN /bin/sh -c echo one # for the shell # buildkit" in history'
}

@test "the next line is appended with its leading blanks" {
	printf 'FROM busybox\nCMD echo one\\\n   two\\\n\tthree\n' | dockerfile
	build
	has_config 'c["Cmd"][2] == "echo one   two\tthree"'
}

@test "blanks may follow the escape character at the end of a line" {
	printf 'FROM busybox\nCMD echo one \\  \t\n  two\n' | dockerfile
	build
	has_config 'c["Cmd"][2] == "echo one   two"'
}

@test "two escape characters do not continue" {
	printf 'FROM busybox\nENV A=x\\\\\nENV B=1\n' | dockerfile
	build
	has_config '"A=x\\" in c["Env"] and "B=1" in c["Env"]'
}

@test "a continuation at the end of the file is dropped" {
	printf 'FROM busybox\nENV A=1 \\' | dockerfile
	build
	has_config '"A=1" in c["Env"]'
	printf 'FROM busybox\nCMD echo x \\\n' | dockerfile
	build
	has_config 'c["Cmd"][2].strip() == "echo x"'
}

@test "an escape character alone on a line continues" {
	printf 'FROM busybox\nENV A=1 \\\n\\\n  B=2\n' | dockerfile
	build
	has_config '"B=2" in c["Env"]'
}

@test "a blank line in a continuation is skipped, with a warning" {
	printf 'FROM busybox\nENV A=1 \\\n\n  B=2\n' | dockerfile
	build
	has_config '"B=2" in c["Env"]'
	run cooper build --check "$context"
	assert_output_has NoEmptyContinuation
}

@test "the escape directive changes continuation and expansion, not RUN bodies" {
	dockerfile <<-'EOF'
		# escape=`
		FROM busybox
		ENV A=x `
		    B=C:\dir\ D=`$A E="`"q`""
		LABEL path=C:\x
		CMD echo `$A \n
	EOF
	build
	has_config 'c["Env"][1:] == ["A=x", "B=C:\\dir\\", "D=$A", "E=\"q\""]'
	has_config 'c["Labels"]["path"] == "C:\\x" and c["Cmd"][2] == "echo `$A \\n"'
}

@test "directives end at the first line that is none" {
	printf '# a comment\n# escape=`\nFROM busybox\nENV A=1 \\\n  B=2\n' | dockerfile
	build
	has_config '"B=2" in c["Env"]'
	printf '\n# escape=`\nFROM busybox\nENV A=1 \\\n  B=2\n' | dockerfile
	build
	printf '# unknown=1\n# escape=`\nFROM busybox\nENV A=1 \\\n  B=2\n' | dockerfile
	build
	printf 'FROM busybox\n# escape=`\nENV A=1 \\\n  B=2\n' | dockerfile
	build
}

@test "directives: any case, blanks, twice is an error, the value is checked" {
	printf '#ESCAPE   =   `  \nFROM busybox\nENV A=1 `\n  B=2\n' | dockerfile
	build
	printf '# syntax=docker/dockerfile:1\n# escape=`\n# check=skip=all\nFROM busybox\nENV A=1 `\n  B=2\n' | dockerfile
	build
	printf '# escape=`\n# escape=\\\nFROM busybox\n' | dockerfile
	refuses "only one escape parser directive can be used"
	printf '# escape=x\nFROM busybox\n' | dockerfile
	refuses "invalid escape token"
}

@test "a frontend is never fetched" {
	printf '{"syntax": "nowhere.invalid/frontend:1", "steps": []}' | dockerfile
	refuses "JSON for the front-end 'nowhere.invalid/frontend:1'"
	[[ $stderr == *"Dockerfile:1"* ]]
	printf '# syntax=nowhere.invalid/frontend:1\nFROM busybox\nENV A=1\n' | dockerfile
	build
	build --build-arg BUILDKIT_SYNTAX=nowhere.invalid/other
}

@test "a line of 64 KiB is too long, and the limit is named" {
	{
		printf 'FROM busybox\nENV A='
		head -c 70000 /dev/zero | tr '\0' x
		printf '\n'
	} | dockerfile
	refuses "65535"
	{
		printf 'FROM busybox\nENV A='
		head -c 60000 /dev/zero | tr '\0' x
		printf '\n'
	} | dockerfile
	build
	has_config 'len(c["Env"][1]) == 60002'
}

@test "JSON forms: blanks, escapes, and what is no JSON is text for the shell" {
	dockerfile <<-'EOF'
		FROM busybox
		CMD   [ "a" ,	"b\u0041\\\"\/" ]
	EOF
	build
	has_config 'c["Cmd"] == ["a", "bA\\\"/"]'
	local form
	for form in "['a', 'b']" '["a",]' '["a" "b"]' '["a"' '["a"] b'; do
		printf 'FROM busybox\nCMD %s\n' "$form" | dockerfile
		build
		has_config "c['Cmd'] == ['/bin/sh', '-c', '''$form''']"
	done
}

@test "JSON that is valid and not of strings is an error" {
	refuses_each <<-'EOF'
		CMD [1, 2] => arrays must be comprised of strings only
		CMD ["a", ["b"]] => arrays must be comprised of strings only
		ENTRYPOINT [null] => arrays must be comprised of strings only
		VOLUME ["/a", {}] => arrays must be comprised of strings only
		RUN [true] => arrays must be comprised of strings only
	EOF
}

@test "flags: quotes and escapes inside, -- ends them, blanks between" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY --chmod="640"   --chown='3':4 one /a
		COPY -- one /b
		COPY --chmod=6\00 one /c
		RUN test "$(stat -c %a:%u:%g /a /b /c | tr '\n' ' ')" = "640:3:4 644:0:0 600:0:0 "
	EOF
	chmod 644 one
	build
}

@test "flags that are wrong" {
	refuses_each <<-'EOF'
		COPY --chmode=1 one / => did you mean chmod
		COPY --chown=1 --chown=2 one / => duplicate flag specified
		COPY --link=maybe one / => expecting boolean value
		COPY --chown one / => missing a value on flag: chown
		RUN --mont=type=tmpfs,target=/x true => did you mean mount
		ENV --x=1 A=1 => unknown flag
		WORKDIR --x /a => unknown flag
		FROM --platfrom=linux/amd64 busybox => did you mean platform
		HEALTHCHECK --intervall=1s CMD x => did you mean interval
	EOF
	printf 'FROM busybox\nCOPY --link=false --link=true one /\n' | dockerfile
	refuses "duplicate flag"
}

@test "words of COPY, VOLUME and EXPOSE are split on blanks, whatever the quotes" {
	printf 'FROM busybox\nCOPY one two /d/\nVOLUME /a\\ b\n' | dockerfile
	build
	has_config 'sorted(c["Volumes"]) == ["/a", "b"]'
	# Each word is then expanded by itself, and has half a pair of quotes.
	refuses_each <<-'EOF'
		VOLUME "/a b" => looking for matching double-quote
		COPY "one two" /x => looking for matching double-quote
		EXPOSE "80 => looking for matching double-quote
	EOF
}

@test "instructions without what they need" {
	refuses_each <<-'EOF'
		ENV => ENV requires at least one argument
		LABEL => LABEL requires at least one argument
		COPY => COPY requires at least two arguments
		COPY one => COPY requires at least two arguments
		ADD one => ADD requires at least two arguments
		WORKDIR => WORKDIR requires exactly one argument
		USER => USER requires exactly one argument
		EXPOSE => EXPOSE requires at least one argument
		VOLUME => VOLUME requires at least one argument
		STOPSIGNAL => STOPSIGNAL requires exactly one argument
		ONBUILD => ONBUILD requires at least one argument
		ARG => ARG requires at least one argument
		MAINTAINER => MAINTAINER requires exactly one argument
		SHELL => SHELL requires at least one argument
		HEALTHCHECK => HEALTHCHECK requires at least one argument
		FROM => FROM requires either one or three arguments
		FROM a b => FROM requires either one or three arguments
		FROM a AS => FROM requires either one or three arguments
		ENV A => must have two arguments
		ENV A=1 B => can't find = in
		ENV =x => names can not be blank
		LABEL =x => names can not be blank
	EOF
}
