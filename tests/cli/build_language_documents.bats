# The Dockerfile language: here-documents of COPY and ADD.
load lib/common
load lib/build
load lib/language

@test "here-documents as files: names, expansion, escapes, modes" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG A=arg
		ENV E=env
		WORKDIR /w
		COPY <<a <<'b' <<-c /d/
		$A ${E}s ${NONE:-n} \$A "q" 'q' \\ \n \"
		a
		$A \$A \\ "q"
		b
			tabs	stay
			  inside
		c
		COPY <<x renamed
		line \
		joined?
		x
		COPY --chmod=711 --chown=3:4 <<x /m
		x
		ADD <<y one /mixed/
		by add
		y
		RUN test "$(cat /d/a)" = "arg envs n \$A \"q\" 'q' \\ n \""
		RUN test "$(cat /d/b)" = '$A \$A \\ "q"' && test "$(cat /d/c)" = "$(printf 'tabs\tstay\n  inside')"
		RUN test "$(stat -c %a:%u:%g:%s /m /d/a | tr '\n' ' ')" = "711:3:4:0 644:0:0:$(stat -c %s /d/a) "
		RUN test "$(cat renamed)" = "$(printf 'line \njoined?')" && test "$(cat /mixed/y /mixed/one)" = "$(printf 'by add\none')"
	EOF
	build
}

@test "of two here-documents of one name the later is left" {
	printf 'FROM busybox\nCOPY <<A <<A /x/\n1\nA\n2\nA\nRUN test "$(cat /x/A)" = 2\n' | dockerfile
	build
}

@test "words that only look like here-documents" {
	echo hd >'<<<x'
	printf 'FROM busybox\nCOPY ["<<<x", "/f"]\nRUN test "$(cat /f)" = hd\n' | dockerfile
	build
}

@test "a number before <<, and here-documents among other sources" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY 3<<A /fd
		by number
		A
		COPY one <<B two /d/
		between
		B
		RUN test "$(cat /fd)" = "by number" && test "$(cat /d/one /d/B /d/two | tr '\n' ' ')" = "one between two "
	EOF
	build
}

@test "bodies are raw: no comments, continuations, directives, instructions" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY <<'A' /raw
		# escape=`
		FROM nowhere
		  leading and trailing  

		line \
		RUN false
		A
		RUN test "$(sed -n '1p;2p;5p;6p' /raw | tr '\n' '|')" = '# escape=`|FROM nowhere|line \|RUN false|' && test "$(wc -l </raw)" = 6
	EOF
	build
}

@test "a terminator is the whole line" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY <<END /f
		 END
		ENDING
		END 
		END
		RUN test "$(wc -l </f)" = 3
	EOF
	build
}

@test "- takes tabs alone from the terminator and the body" {
	printf 'FROM busybox\nCOPY <<-A /f\n\t\ttabs\n  blanks\n\t \tmixed\n\tA\nRUN cat -A /f >/o 2>/dev/null || od -c /f >/o\n' | dockerfile
	build
	run inside 'cat /f'
	assert_output_is $'tabs\n  blanks\n \tmixed'
	printf 'FROM busybox\nCOPY <<A /f\n\tA\nA\n' | dockerfile
	build
	run inside 'cat /f'
	assert_output_is $'\tA'
}

@test "a here-document cannot be the destination" {
	refuses_each <<-'EOF'
		COPY one <<EOT\nEOT => cannot accept a heredoc as a destination
		COPY ["one", "<<EOT"] => cannot accept a heredoc as a destination
	EOF
}

@test "in the JSON form a here-document has no body, and is an empty file" {
	printf 'FROM busybox\nCOPY ["<<EOT", "one", "/d/"]\nRUN test -f /d/EOT -a ! -s /d/EOT -a -s /d/one\n' | dockerfile
	build
	printf 'FROM busybox\nCOPY ["<<EOT", "/x"]\nbody\nEOT\n' | dockerfile
	refuses "unknown instruction: body"
}

@test "a front-end is named in any of BuildKit's ways and never fetched" {
	for head in '# syntax=docker/dockerfile:1' '// syntax=docker/dockerfile:1' '#!/usr/bin/env x\n# syntax=nosuch.invalid/x' \
		'#!/usr/bin/env x\n// syntax = nosuch.invalid/x' '  // SYNTAX=docker/dockerfile:1\n# escape=`'; do
		printf '%b\nFROM busybox\nRUN true\n' "$head" | dockerfile
		build
	done
	printf 'FROM busybox\n// syntax=docker/dockerfile:1\n' | dockerfile
	refuses "unknown instruction: //"
	printf '// something=else\nFROM busybox\n' | dockerfile
	refuses "unknown instruction: //"
}
